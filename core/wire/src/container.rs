//! What runs in a task's container.

use std::time::Duration;

use model::{ContainerSpec, DnsConfig, PullPolicy};

use crate::{
    WireError, pb,
    resources::{to_ulimits, ulimits},
    scalar::{choice, labels, list, message, nanos, optional, parse, to_labels, to_list},
};

impl From<DnsConfig> for pb::DnsConfig {
    fn from(dns: DnsConfig) -> Self {
        Self {
            nameservers: dns.nameservers.iter().map(ToString::to_string).collect(),
            search: dns.search,
            options: dns.options,
        }
    }
}

impl TryFrom<pb::DnsConfig> for DnsConfig {
    type Error = WireError;
    fn try_from(dns: pb::DnsConfig) -> Result<Self, WireError> {
        let nameservers = dns.nameservers.iter().map(|text| parse("nameservers", text));
        Ok(Self {
            nameservers: nameservers.collect::<Result<_, _>>()?,
            search: dns.search,
            options: dns.options,
        })
    }
}

/// Whoever does not know of the policy wants the default.
fn pull(number: i32) -> Result<PullPolicy, WireError> {
    if number == pb::PullPolicy::Unspecified as i32 {
        return Ok(PullPolicy::default());
    }
    choice::<pb::PullPolicy, _>("pull", number)
}

impl From<ContainerSpec> for pb::ContainerSpec {
    fn from(spec: ContainerSpec) -> Self {
        Self {
            image: spec.image,
            command: spec.command,
            args: spec.args,
            env: spec.env,
            labels: to_labels(spec.labels),
            hostname: spec.hostname,
            dir: spec.dir,
            user: spec.user,
            stop_grace: spec.stop_grace.map(nanos),
            registry_auth: spec.registry_auth,
            pull: pb::PullPolicy::from(spec.pull).into(),
            groups: spec.groups,
            hosts: spec.hosts,
            dns: Some(spec.dns.into()),
            tty: spec.tty,
            open_stdin: spec.open_stdin,
            init: spec.init,
            read_only: spec.read_only,
            stop_signal: spec.stop_signal,
            cap_add: spec.cap_add,
            cap_drop: spec.cap_drop,
            sysctls: to_labels(spec.sysctls),
            ulimits: to_ulimits(spec.ulimits),
            oom_score_adj: spec.oom_score_adj,
            privileged: spec.privileged,
            devices: to_list(spec.devices),
            mounts: to_list(spec.mounts),
            secrets: to_list(spec.secrets),
            configs: to_list(spec.configs),
            resources: Some(spec.resources.into()),
            log_driver: spec.log_driver.map(Into::into),
            health: spec.health.map(Into::into),
            probe: spec.probe.map(Into::into),
            ready_command: spec.ready_command,
        }
    }
}

impl TryFrom<pb::ContainerSpec> for ContainerSpec {
    type Error = WireError;
    fn try_from(spec: pb::ContainerSpec) -> Result<Self, WireError> {
        Ok(Self {
            image: spec.image,
            command: spec.command,
            args: spec.args,
            env: spec.env,
            labels: labels("labels", spec.labels)?,
            hostname: spec.hostname,
            dir: spec.dir,
            user: spec.user,
            stop_grace: spec.stop_grace.map(Duration::from_nanos),
            registry_auth: spec.registry_auth,
            pull: pull(spec.pull)?,
            groups: spec.groups,
            hosts: spec.hosts,
            dns: message("dns", Some(spec.dns.unwrap_or_default()))?,
            tty: spec.tty,
            open_stdin: spec.open_stdin,
            init: spec.init,
            read_only: spec.read_only,
            stop_signal: spec.stop_signal,
            cap_add: spec.cap_add,
            cap_drop: spec.cap_drop,
            sysctls: labels("sysctls", spec.sysctls)?,
            ulimits: ulimits(spec.ulimits)?,
            oom_score_adj: spec.oom_score_adj,
            privileged: spec.privileged,
            devices: list("devices", spec.devices)?,
            mounts: list("mounts", spec.mounts)?,
            secrets: list("secrets", spec.secrets)?,
            configs: list("configs", spec.configs)?,
            resources: message("resources", Some(spec.resources.unwrap_or_default()))?,
            log_driver: optional("log_driver", spec.log_driver)?,
            health: optional("health", spec.health)?,
            probe: optional("probe", spec.probe)?,
            ready_command: spec.ready_command,
        })
    }
}
