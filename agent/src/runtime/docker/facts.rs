//! What the engine says of itself and its machine.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use bollard::models::{GenericResourcesInner, LocalNodeState, Plugin, SystemInfo};
use model::GenericResource;

use super::{DockerRuntime, EngineFacts, RuntimeError};

/// Kinds of drivers by what a managed plugin calls its own.
const CAPABILITIES: [(&str, &str); 4] = [
    ("docker.volumedriver/", "Volume"),
    ("docker.networkdriver/", "Network"),
    ("docker.authz/", "Authorization"),
    ("docker.logdriver/", "Log"),
];

impl DockerRuntime {
    pub(super) async fn read_facts(&self) -> Result<EngineFacts, RuntimeError> {
        let docker = self.agree().await?;
        let info = docker.info().await.map_err(|e| self.fault(e))?;
        self.remaps_users.store(remaps_users(&info), Ordering::Relaxed);
        // The engine's own list lacks them. One that does not list them is taken to have what is asked for.
        let managed = docker.list_plugins(None).await;
        if let Err(error) = &managed {
            tracing::debug!(%error, "the engine does not list its plugins");
        }
        Ok(facts(info, managed.ok().as_deref()))
    }
}

/// Whether containers' users are others on the host: the paths of mounts are opened outside of the container then, and it
/// would pass the gate without having been there.
fn remaps_users(info: &SystemInfo) -> bool {
    let mut options = info.security_options.iter().flatten();
    options.any(|option| option.split(',').any(|word| word == "name=userns"))
}

fn facts(info: SystemInfo, managed: Option<&[Plugin]>) -> EngineFacts {
    let plugins = managed.map_or_else(Vec::new, |managed| plugins(&info, managed));
    let split = |label: String| match label.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (label, String::new()),
    };
    let inactive = [LocalNodeState::EMPTY, LocalNodeState::INACTIVE];
    let swarm = info.swarm.and_then(|s| s.local_node_state);
    EngineFacts {
        version: info.server_version.unwrap_or_default(),
        arch: info.architecture.unwrap_or_default(),
        hostname: info.name.unwrap_or_default(),
        nano_cpus: info.ncpu.unwrap_or_default().saturating_mul(1_000_000_000),
        memory_bytes: info.mem_total.unwrap_or_default(),
        labels: info.labels.unwrap_or_default().into_iter().map(split).collect(),
        in_swarm_mode: swarm.is_some_and(|state| !inactive.contains(&state)),
        live_restore: info.live_restore_enabled.unwrap_or_default(),
        generic_resources: info.generic_resources.iter().flatten().filter_map(generic).collect(),
        plugins,
    }
}

/// `None`: none of them is there, or it has no kind.
fn generic(resource: &GenericResourcesInner) -> Option<GenericResource> {
    let discrete = resource.discrete_resource_spec.as_ref().map(|found| {
        let amount = found.value.and_then(|value| u64::try_from(value).ok());
        (found.kind.clone(), amount.map(|amount| amount.to_string()))
    });
    let named = resource.named_resource_spec.as_ref();
    let named = named.map(|found| (found.kind.clone(), found.value.clone()));
    let (kind, value) = discrete.or(named)?;
    format!("{}={}", kind?, value?).parse().ok()
}

/// `KIND/NAME` each, in order, once.
fn plugins(info: &SystemInfo, managed: &[Plugin]) -> Vec<String> {
    let known = info.plugins.clone().unwrap_or_default();
    let own = [
        ("Volume", known.volume),
        ("Network", known.network),
        ("Authorization", known.authorization),
        ("Log", known.log),
    ];
    let own = own
        .into_iter()
        .flat_map(|(kind, names)| names.into_iter().flatten().map(move |name| format!("{kind}/{name}")));
    let enabled = managed.iter().filter(|plugin| plugin.enabled);
    let managed = enabled.flat_map(|plugin| {
        let types = plugin.config.interface.types.iter();
        types.filter_map(|capability| {
            let kind = CAPABILITIES.iter().find(|(prefix, _)| capability.starts_with(prefix));
            kind.map(|(_, kind)| format!("{kind}/{}", plugin.name))
        })
    });
    let all: BTreeSet<String> = own.chain(managed).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::docker::stub::Stub;

    fn info() -> SystemInfo {
        serde_json::from_str(
            r#"{
                "NCPU": 2,
                "Plugins": { "Volume": ["local"], "Network": ["bridge"], "Authorization": null, "Log": ["syslog"] },
                "GenericResources": [
                    { "DiscreteResourceSpec": { "Kind": "SSD", "Value": 3 } },
                    { "NamedResourceSpec": { "Kind": "GPU", "Value": "UUID1" } },
                    { "DiscreteResourceSpec": { "Kind": "NONE", "Value": 0 } }
                ]
            }"#,
        )
        .unwrap()
    }

    fn managed(name: &str, capability: &str, enabled: bool) -> Plugin {
        let mut plugin = Plugin {
            name: name.to_owned(),
            enabled,
            ..Plugin::default()
        };
        plugin.config.interface.types = vec![capability.to_owned()];
        plugin
    }

    #[tokio::test]
    async fn an_engine_that_was_replaced_is_spoken_to_in_its_own_version() {
        let stub = Stub::answering(|_| (200, "{}".to_owned()));
        let engine = DockerRuntime::new(&stub.host);
        for minor in [41, 48, 45] {
            stub.minor.store(minor, Ordering::Relaxed);
            engine.read_facts().await.unwrap();
            let version = engine.docker().await.unwrap().client_version();
            assert_eq!((version.major_version, version.minor_version), (1, minor as usize));
        }
    }

    #[test]
    fn an_engine_that_remaps_users_is_known() {
        let with = |options: &str| serde_json::from_str(&format!(r#"{{ "SecurityOptions": {options} }}"#)).unwrap();
        assert!(remaps_users(&with(
            r#"["name=seccomp,profile=default", "name=userns"]"#
        )));
        assert!(!remaps_users(&with(r#"["name=seccomp,profile=default"]"#)) && !remaps_users(&info()));
    }

    #[test]
    fn resources_and_drivers_are_told() {
        let managed = [
            managed("nfs:latest", "docker.volumedriver/1.0", true),
            managed("loki:2.0", "docker.logdriver/1.0", true),
            managed("off:latest", "docker.volumedriver/1.0", false),
            managed("ipam:latest", "docker.ipamdriver/1.0", true),
        ];
        let facts = facts(info(), Some(&managed));
        let resources: Vec<String> = facts.generic_resources.iter().map(ToString::to_string).collect();
        assert_eq!(resources, ["SSD=3", "GPU=UUID1"]);
        assert_eq!(
            facts.plugins,
            [
                "Log/loki:2.0",
                "Log/syslog",
                "Network/bridge",
                "Volume/local",
                "Volume/nfs:latest"
            ]
        );
        assert_eq!(facts.nano_cpus, 2_000_000_000);
    }

    #[test]
    fn half_a_list_of_drivers_is_none() {
        assert_eq!(facts(info(), None).plugins, Vec::<String>::new());
    }
}
