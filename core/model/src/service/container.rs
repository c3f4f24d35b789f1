//! What runs in a task's container.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Driver, HealthCheck, HealthTest, Mount, Probe, Resources, Ulimits};
use crate::{Invalid, PayloadKind, PayloadRef, Scope, Template};

/// When the node asks the registry for the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// When the node does not have it.
    #[default]
    Missing,
    /// For each task, once per node at a time; what the node has is used if that fails.
    Always,
    /// Not at all.
    Never,
}

/// What the container's resolver asks beside the cluster's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsConfig {
    /// Addresses of resolvers; empty: the node's.
    pub nameservers: Vec<IpAddr>,
    /// Domains to search.
    pub search: Vec<String>,
    /// Options as `resolv.conf(5)` has them.
    pub options: Vec<String>,
}

/// A device of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// Of `r`, `w` and `m` (mknod).
    pub permissions: String,
}

/// What runs in the container, and how. `None` and empty stand for the image's or the engine's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// Image reference as typed.
    pub image: String,
    /// Replaces the image's entrypoint; empty: the image's.
    pub command: Vec<String>,
    /// Arguments; empty: the image's.
    pub args: Vec<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// Container labels.
    pub labels: BTreeMap<String, String>,
    /// Host name; `None`: the engine's choice.
    pub hostname: Option<String>,
    /// Working directory; `None`: the image's.
    pub dir: Option<String>,
    /// User; `None`: the image's.
    pub user: Option<String>,
    /// From the stop signal to SIGKILL; `None`: 10 s, see [`ContainerSpec::stop_grace`].
    pub stop_grace: Option<Duration>,
    /// Base64 JSON of registry credentials, as the engine takes it (`X-Registry-Auth`); `None`: anonymous.
    pub registry_auth: Option<String>,
    /// When the image is pulled.
    pub pull: PullPolicy,
    /// Further groups of the user.
    pub groups: Vec<String>,
    /// Lines for `/etc/hosts`: address, then names.
    pub hosts: Vec<String>,
    /// Resolvers.
    pub dns: DnsConfig,
    /// A terminal is allocated.
    pub tty: bool,
    /// Standard input stays open.
    pub open_stdin: bool,
    /// A small init process reaps children; `None`: the engine's default.
    pub init: Option<bool>,
    /// The root file system is not to be written.
    pub read_only: bool,
    /// Signal that asks the process to end; `None`: the image's.
    pub stop_signal: Option<String>,
    /// Capabilities beyond the engine's default ones (`CAP_NET_ADMIN`, `ALL`).
    pub cap_add: Vec<String>,
    /// Capabilities to take away.
    pub cap_drop: Vec<String>,
    /// Kernel parameters of the container's namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Limits of processes.
    pub ulimits: Ulimits,
    /// -1000 to 1000: how readily the kernel ends it when memory is short.
    pub oom_score_adj: i32,
    /// All rights of the host; only where the cluster's policy allows it.
    pub privileged: bool,
    /// Devices of the host; only where the cluster's policy allows it.
    pub devices: Vec<Device>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// Secrets as files.
    pub secrets: Vec<PayloadRef>,
    /// Configs as files.
    pub configs: Vec<PayloadRef>,
    /// Limits and reservations.
    pub resources: Resources,
    /// Where output goes; `None`: the engine's default.
    pub log_driver: Option<Driver>,
    /// How the engine finds out whether it is well; `None`: as the image says.
    pub health: Option<HealthCheck>,
    /// How the node's agent finds that out, instead.
    pub probe: Option<Probe>,
    /// A command in the container that says by its exit code whether the task takes traffic; it never ends the task.
    pub ready_command: Vec<String>,
}

impl ContainerSpec {
    /// Nothing but an image.
    pub fn of(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            ..Self::default()
        }
    }

    /// From the stop signal to SIGKILL.
    pub fn stop_grace(&self) -> Duration {
        self.stop_grace.unwrap_or(Duration::from_secs(10))
    }

    /// Secrets and configs as files, each with its kind.
    pub fn payloads(&self) -> impl Iterator<Item = (PayloadKind, &PayloadRef)> {
        let secrets = self.secrets.iter().map(|file| (PayloadKind::Secret, file));
        secrets.chain(self.configs.iter().map(|file| (PayloadKind::Config, file)))
    }

    /// The same, to be changed.
    pub fn payloads_mut(&mut self) -> impl Iterator<Item = (PayloadKind, &mut PayloadRef)> {
        let secrets = self.secrets.iter_mut().map(|file| (PayloadKind::Secret, file));
        secrets.chain(self.configs.iter_mut().map(|file| (PayloadKind::Config, file)))
    }

    /// The texts in which templates are filled in: environment, host name, and of mounts the source, labels and options.
    pub fn templates_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let mounts = self.mounts.iter_mut().flat_map(Mount::templates_mut);
        self.env.iter_mut().chain(&mut self.hostname).chain(mounts)
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        self.validate_image()?;
        for text in self.clone().templates_mut() {
            Template::parse(text, Scope::Spec)?;
        }
        self.resources.validate()?;
        self.validate_files()?;
        self.validate_health()?;
        self.validate_words()?;
        let bad = |e: &&String| e.is_empty() || e.starts_with('=') || e.contains('\0');
        match self.env.iter().find(bad) {
            Some(bad) => Err(Invalid::Env(bad.clone())),
            None => Ok(()),
        }
    }

    fn validate_image(&self) -> Result<(), Invalid> {
        let image_char = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        let uppercase_name = self.image.rsplit('/').next().is_some_and(|last| {
            last.split([':', '@'])
                .next()
                .is_some_and(|name| name.chars().any(|c| c.is_ascii_uppercase()))
        });
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let shaped = edge(self.image.chars().next()) && edge(self.image.chars().last()) && !self.image.contains("//");
        if !shaped || uppercase_name || !self.image.chars().all(image_char) {
            return Err(Invalid::Image(self.image.clone()));
        }
        Ok(())
    }

    /// Mounts, secrets and configs: each well-formed, no place used twice.
    fn validate_files(&self) -> Result<(), Invalid> {
        self.mounts.iter().try_for_each(Mount::validate)?;
        let mut places: Vec<String> = self.mounts.iter().map(|mount| mount.target.clone()).collect();
        self.payloads().try_for_each(|(kind, file)| file.validate(kind))?;
        places.extend(self.payloads().map(|(kind, file)| file.path(kind)));
        places.sort_unstable();
        match places.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Invalid::MountTwice(pair[0].clone())),
            None => Ok(()),
        }
    }

    fn validate_health(&self) -> Result<(), Invalid> {
        if let Some(health) = &self.health {
            let short = |span: Option<Duration>| span.is_some_and(|s| s < Duration::from_millis(1) && !s.is_zero());
            if short(health.interval) || short(health.timeout) || short(health.start_interval) {
                return Err(Invalid::HealthCheck("interval and timeout must be at least 1 ms"));
            }
            if matches!(&health.test, HealthTest::Exec(words) if words.is_empty()) {
                return Err(Invalid::HealthCheck("its command is empty"));
            }
        }
        let Some(probe) = &self.probe else { return Ok(()) };
        let by_command = |health: &HealthCheck| matches!(health.test, HealthTest::Exec(_) | HealthTest::Shell(_));
        if self.health.as_ref().is_some_and(by_command) {
            return Err(Invalid::ProbeAndHealthCheck);
        }
        let least = Duration::from_millis(100);
        if probe.interval < least || probe.timeout < least || probe.failures == 0 {
            return Err(Invalid::ProbeTimes {
                target: probe.target.to_string(),
            });
        }
        Ok(())
    }

    fn validate_words(&self) -> Result<(), Invalid> {
        let word = |what, text: &str, way| {
            Err(Invalid::Word {
                what,
                text: text.to_owned(),
                way,
            })
        };
        if !(-1000..=1000).contains(&self.oom_score_adj) {
            let text = self.oom_score_adj.to_string();
            return word("OOM score adjustment", &text, "must be between -1000 and 1000");
        }
        let address = |line: &&String| {
            line.split_whitespace()
                .next()
                .is_none_or(|a| a.parse::<IpAddr>().is_err())
        };
        if let Some(line) = self
            .hosts
            .iter()
            .find(|line| address(line) || line.split_whitespace().nth(1).is_none())
        {
            return word("host", line, "use an address, then names");
        }
        if let Some((name, limit)) = self
            .ulimits
            .iter()
            .find(|(_, l)| l.hard != -1 && (l.soft > l.hard || l.soft == -1))
        {
            let text = format!("{name}={}:{}", limit.soft, limit.hard);
            return word("ulimit", &text, "the soft limit must not be above the hard one");
        }
        let permitted = |d: &&Device| d.host.starts_with('/') && d.container.starts_with('/');
        if let Some(device) = self
            .devices
            .iter()
            .find(|d| !permitted(d) || d.permissions.chars().any(|c| !"rwm".contains(c)))
        {
            return word(
                "device",
                &device.host,
                "use HOST-PATH[:CONTAINER-PATH[:rwm]] with absolute paths",
            );
        }
        Ok(())
    }
}
