//! From a Compose file to what is to exist.

mod container;
mod deploy;

use std::{collections::BTreeMap, fs, path::Path};

use model::{Name, NameKind, NetworkSpec, PayloadKind, PortSpec, ServiceSpec};
use wire::pb;

use self::{container::container, deploy::deploy};
use super::{
    NAMESPACE,
    file::{AttachmentFile, ComposeFile, FileRef, NetworkFile, PayloadFile, PortFile, ServiceFile, ServiceNetworks},
    scalar::Pairs,
    volume,
};
use crate::{failure::Failure, request::refer};

/// A secret or config that the file brings along.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadPlan {
    /// Which of the two.
    pub kind: PayloadKind,
    /// Its full name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The file's bytes are a template.
    pub templated: bool,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

/// Everything that a stack consists of, under full names.
pub struct Plan {
    /// Networks to be made unless they are there.
    pub networks: Vec<NetworkSpec>,
    /// Secrets and configs.
    pub payloads: Vec<PayloadPlan>,
    /// Services; networks, secrets and configs by name.
    pub services: Vec<pb::ServiceSpec>,
}

/// What the file says that stack `stack` is. Paths of files are relative to `folder`.
///
/// # Errors
/// A value that cannot be read, or a name that the file uses and does not declare; names the service.
pub fn plan(file: &ComposeFile, stack: &str, folder: &Path) -> Result<Plan, Failure> {
    Name::parse(NameKind::Other, stack)?;
    let mut services = Vec::new();
    for (name, service) in &file.services {
        let within = |failure: Failure| Failure::Wrong(format!("service {name}: {failure}"));
        services.push(self::service(file, stack, folder, name, service).map_err(within)?);
    }
    let mut payloads = Vec::new();
    for (kind, declared) in [
        (PayloadKind::Secret, &file.secrets),
        (PayloadKind::Config, &file.configs),
    ] {
        for (name, entry) in declared.iter().filter(|(_, entry)| !entry.external) {
            payloads.push(payload(kind, stack, folder, name, entry)?);
        }
    }
    let default = NetworkFile::default();
    let own = file
        .networks
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.as_ref().unwrap_or(&default)));
    let mut networks: Vec<NetworkSpec> = Vec::new();
    for (name, entry) in own.filter(|(_, entry)| !entry.external) {
        networks.push(network(stack, name, entry)?);
    }
    let plain = |service: &ServiceFile| attachments(&service.networks).is_empty();
    if file.services.values().any(plain) && !file.networks.contains_key("default") {
        networks.push(network(stack, "default", &default)?);
    }
    Ok(Plan {
        networks,
        payloads,
        services,
    })
}

fn stack_labels(stack: &str, given: &Pairs) -> BTreeMap<String, String> {
    let mut labels = given.map();
    labels.insert(NAMESPACE.to_owned(), stack.to_owned());
    labels
}

fn network(stack: &str, name: &str, file: &NetworkFile) -> Result<NetworkSpec, Failure> {
    if file.driver.as_deref().is_some_and(|driver| driver != "overlay") {
        return Err(Failure::Wrong(format!(
            "network {name}: only driver overlay is supported"
        )));
    }
    let full = file.name.clone().unwrap_or_else(|| format!("{stack}_{name}"));
    let mut spec = NetworkSpec::named(Name::parse(NameKind::Network, &full)?);
    spec.labels = stack_labels(stack, &file.labels);
    (spec.internal, spec.attachable) = (file.internal, file.attachable);
    let wrong = |text: &str| Failure::Wrong(format!("network {name}: invalid address \"{text}\""));
    if let Some(pool) = file.ipam.as_ref().and_then(|ipam| ipam.config.first()) {
        spec.subnet = pool
            .subnet
            .as_ref()
            .map(|text| text.parse().map_err(|_| wrong(text)))
            .transpose()?;
        spec.gateway = pool
            .gateway
            .as_ref()
            .map(|text| text.parse().map_err(|_| wrong(text)))
            .transpose()?;
    }
    Ok(spec)
}

fn payload(
    kind: PayloadKind,
    stack: &str,
    folder: &Path,
    name: &str,
    file: &PayloadFile,
) -> Result<PayloadPlan, Failure> {
    let path = file.file.as_ref().ok_or_else(|| {
        Failure::Wrong(format!(
            "{kind} {name}: give \"file:\", or \"external: true\" if it is there already"
        ))
    })?;
    let bytes =
        fs::read(folder.join(path)).map_err(|error| Failure::Wrong(format!("{kind} {name}: open {path}: {error}")))?;
    Ok(PayloadPlan {
        kind,
        name: file.name.clone().unwrap_or_else(|| format!("{stack}_{name}")),
        labels: stack_labels(stack, &file.labels),
        templated: file.template_driver.is_some(),
        bytes,
    })
}

fn service(
    file: &ComposeFile,
    stack: &str,
    folder: &Path,
    name: &str,
    from: &ServiceFile,
) -> Result<pb::ServiceSpec, Failure> {
    let image = from
        .image
        .as_deref()
        .ok_or_else(|| Failure::Wrong("an image is needed".to_owned()))?;
    let full = Name::parse(NameKind::Service, &format!("{stack}_{name}"))?;
    let mut spec = ServiceSpec::new(full, image);
    spec.labels = stack_labels(stack, &from.deploy.labels);
    spec.labels
        .insert("com.docker.stack.image".to_owned(), image.to_owned());
    for entry in &from.ports {
        // Two files may say the same.
        let new = ports(entry)?.into_iter().filter(|port| !spec.ports.contains(port));
        let new: Vec<_> = new.collect();
        spec.ports.extend(new);
    }
    deploy(&mut spec, &from.deploy)?;
    container(&mut spec, folder, from)?;
    spec.container.labels = stack_labels(stack, &from.labels);
    spec.container.mounts = from
        .volumes
        .iter()
        .map(|entry| volume::convert(file, stack, entry))
        .collect::<Result<_, _>>()?;
    spec.validate()?;
    let mut spec = pb::ServiceSpec::from(spec);
    spec.networks = networks(file, stack, name, from)?;
    if let Some(container) = &mut spec.container {
        container.secrets = files(&file.secrets, stack, PayloadKind::Secret, &from.secrets)?;
        container.configs = files(&file.configs, stack, PayloadKind::Config, &from.configs)?;
    }
    Ok(spec)
}

fn ports(port: &PortFile) -> Result<Vec<PortSpec>, Failure> {
    let text = match port {
        PortFile::Short(text) => text.0.clone(),
        PortFile::Long {
            target,
            published,
            protocol,
            mode,
        } => {
            let published = published
                .as_ref()
                .map(|number| format!(",published={}", number.0))
                .unwrap_or_default();
            let protocol = protocol.as_deref().unwrap_or("tcp");
            let mode = mode.as_deref().unwrap_or("ingress");
            format!("target={},protocol={protocol},mode={mode}{published}", target.0)
        }
    };
    Ok(PortSpec::several(&text)?)
}

fn aliases(file: Option<&AttachmentFile>) -> &[String] {
    file.map_or(&[], |file| &file.aliases)
}

fn attachments(networks: &ServiceNetworks) -> Vec<(&str, &[String])> {
    match networks {
        ServiceNetworks::List(list) => list.iter().map(|name| (name.as_str(), [].as_slice())).collect(),
        ServiceNetworks::Map(map) => map
            .iter()
            .map(|(name, file)| (name.as_str(), aliases(file.as_ref())))
            .collect(),
    }
}

/// With the service's short name as alias in each, as docker does.
fn networks(
    file: &ComposeFile,
    stack: &str,
    name: &str,
    from: &ServiceFile,
) -> Result<Vec<pb::NetworkAttachment>, Failure> {
    let mut joined = attachments(&from.networks);
    if joined.is_empty() {
        joined.push(("default", &[]));
    }
    let attach = |(network, aliases): (&str, &[String])| {
        let declared = file.networks.get(network);
        if declared.is_none() && network != "default" {
            return Err(Failure::Wrong(format!(
                "undefined network \"{network}\": name it under \"networks:\""
            )));
        }
        let declared = declared.and_then(Option::as_ref);
        let external = declared.is_some_and(|entry| entry.external);
        let given = declared.and_then(|entry| entry.name.clone());
        let full = given.unwrap_or_else(|| {
            if external {
                network.to_owned()
            } else {
                format!("{stack}_{network}")
            }
        });
        let mut all = vec![name.to_owned()];
        all.extend(aliases.iter().filter(|alias| *alias != name).cloned());
        Ok(pb::NetworkAttachment {
            network: full,
            aliases: all,
        })
    };
    joined.into_iter().map(attach).collect()
}

fn files(
    declared: &BTreeMap<String, PayloadFile>,
    stack: &str,
    kind: PayloadKind,
    entries: &[FileRef],
) -> Result<Vec<pb::PayloadRef>, Failure> {
    let convert = |entry: &FileRef| {
        let source = match entry {
            FileRef::Short(source) | FileRef::Long { source, .. } => source,
        };
        let file = declared
            .get(source)
            .ok_or_else(|| Failure::Wrong(format!("undefined {kind} \"{source}\": name it under \"{kind}s:\"")))?;
        let given = file.name.clone();
        let full = given.unwrap_or_else(|| {
            if file.external {
                source.clone()
            } else {
                format!("{stack}_{source}")
            }
        });
        let mut reference = refer(&full);
        reference.target.clone_from(source);
        if let FileRef::Long {
            target, uid, gid, mode, ..
        } = entry
        {
            reference.target = target.clone().unwrap_or(reference.target);
            reference.uid = uid.clone().map_or(reference.uid, |uid| uid.0);
            reference.gid = gid.clone().map_or(reference.gid, |gid| gid.0);
            reference.mode = mode.unwrap_or(reference.mode);
        }
        Ok(reference)
    };
    entries.iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = r#"
version: "3.8"
services:
  front:
    image: web:1
    command: serve --port 80
    environment: {A: 1, B: "x y"}
    ports: ["8080-8081:80-81", "8080:80", {target: 53, protocol: udp, mode: host}]
    networks: {inner: {aliases: [www]}}
    volumes: ["data:/data:ro", "/srv:/srv"]
    secrets: [token, {source: token, target: /etc/token, mode: 0400}]
    healthcheck: {test: curl -f localhost, interval: 2s, retries: 3}
    deploy:
      replicas: 2
      update_config: {parallelism: 2, order: start-first, failure_action: rollback}
      restart_policy: {condition: on-failure}
      placement: {constraints: [node.role == worker], preferences: [{spread: node.labels.rack}]}
      resources:
        limits: {cpus: "0.5", memory: 64M}
        reservations: {generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}
  back:
    image: api:1
networks:
  inner: {driver: overlay, ipam: {config: [{subnet: 10.9.0.0/24}]}}
volumes:
  data:
secrets:
  token: {external: true}
"#;

    fn planned(text: &str) -> Result<Plan, String> {
        let file = serde_saphyr::from_str_with_options(text, serde_saphyr::options! { legacy_octal_numbers: true });
        plan(&file.unwrap(), "shop", Path::new("")).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_file_becomes_networks_and_services_under_the_stacks_name() {
        let plan = planned(SHOP).unwrap();
        let networks: Vec<_> = plan.networks.iter().map(|network| network.name.as_str()).collect();
        assert_eq!(networks, ["shop_inner", "shop_default"]);
        let [back, front] = plan.services.as_slice() else {
            panic!("two services")
        };
        assert_eq!(
            (back.name.as_str(), back.networks[0].network.as_str()),
            ("shop_back", "shop_default")
        );
        assert_eq!(front.networks[0].aliases, ["front", "www"]);
        let container = front.container.clone().unwrap();
        assert_eq!(container.env, ["A=1", "B=x y"]);
        assert_eq!(container.args, ["serve", "--port", "80"]);
        assert_eq!(container.secrets[1].mode, 0o400);
        assert_eq!(
            (container.mounts[0].source.as_str(), container.mounts[0].read_only),
            ("shop_data", true)
        );
        let resources = container.resources.unwrap();
        assert_eq!(resources.limits.unwrap().nano_cpus, 500_000_000);
        assert_eq!(resources.reservations.unwrap().generic.len(), 1);
        assert_eq!(front.update.unwrap().parallelism, 2);
        assert_eq!((front.ports.len(), front.preferences.len()), (3, 1));
        assert!(
            front
                .labels
                .iter()
                .any(|label| label.name == NAMESPACE && label.value == "shop")
        );
    }

    #[test]
    fn what_is_used_and_not_declared_is_named() {
        for (text, word) in [
            (
                "services: {web: {image: w, networks: [blue]}}",
                "undefined network \"blue\"",
            ),
            (
                "services: {web: {image: w, secrets: [key]}}",
                "undefined secret \"key\"",
            ),
            (
                "services: {web: {image: w, volumes: [\"data:/x\"]}}",
                "undefined volume \"data\"",
            ),
            ("services: {web: {command: x}}", "an image is needed"),
            ("services: {web: {image: w, volumes: [\"./x:/x\"]}}", "absolute path"),
            ("services: {web: {image: w, deploy: {mode: odd}}}", "odd"),
        ] {
            let error = planned(text).err().unwrap();
            assert!(error.contains(word) && error.contains("web"), "{text}: {error}");
        }
    }
}
