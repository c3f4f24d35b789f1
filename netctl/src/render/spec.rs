//! Specs of services in the Engine API's field names, order and units: what was given; the rest is not set.

use std::time::Duration;

use model::{
    ContainerSpec, Driver, EndpointMode, FailureAction, GenericResource, HealthCheck, HealthTest, Mode, Mount,
    MountKind, PayloadKind, PayloadRef, PortSpec, Probe, Propagation, PublishMode, PullPolicy, Resources,
    RestartCondition, RestartPolicy, ServiceSpec, UpdateOrder, UpdatePolicy,
};
use serde_json::{Value, json};

use super::{fields::Fields, job};

/// A service's spec.
pub fn service_spec(spec: &ServiceSpec) -> Value {
    let task = Fields::new()
        .maybe("ContainerSpec", Some(container(&spec.container)))
        .maybe("Resources", Some(resources(&spec.container.resources)))
        .maybe("RestartPolicy", spec.restart.as_ref().map(restart))
        .maybe("Placement", Some(placement(spec)))
        .unless_empty("Networks", json!(networks(spec)))
        .maybe("LogDriver", spec.container.log_driver.as_ref().map(driver))
        .maybe("ForceUpdate", Some(json!(spec.force_update)))
        .maybe("Runtime", Some(json!("container")));
    Fields::new()
        .maybe("Name", Some(json!(spec.name.as_str())))
        .maybe("Labels", Some(json!(spec.labels)))
        .maybe("TaskTemplate", Some(task.value()))
        .maybe("Mode", Some(mode(spec.mode)))
        .maybe("Schedule", spec.schedule.as_ref().map(job::schedule))
        .maybe("UpdateConfig", spec.update.as_ref().map(policy))
        .maybe("RollbackConfig", spec.rollback.as_ref().map(policy))
        .maybe("EndpointSpec", Some(endpoint_spec(spec)))
        .value()
}

fn mode(mode: Mode) -> Value {
    match mode {
        Mode::Replicated { replicas } => json!({ "Replicated": { "Replicas": replicas } }),
        Mode::Global => json!({ "Global": {} }),
        Mode::ReplicatedJob {
            max_concurrent,
            total_completions,
        } => json!({
            "ReplicatedJob": { "MaxConcurrent": max_concurrent, "TotalCompletions": total_completions },
        }),
        Mode::GlobalJob => json!({ "GlobalJob": {} }),
    }
}

fn networks(spec: &ServiceSpec) -> Vec<Value> {
    let one = |attachment: &model::NetworkAttachment| {
        let aliases: Vec<_> = attachment.aliases.iter().map(|alias| alias.as_str()).collect();
        json!({ "Target": attachment.network.to_string(), "Aliases": aliases })
    };
    spec.networks.iter().map(one).collect()
}

fn restart(policy: &RestartPolicy) -> Value {
    json!({
        "Condition": condition(policy.condition),
        "Delay": nanos(policy.delay),
        "MaxAttempts": policy.max_attempts,
        "Window": nanos(policy.window),
    })
}

fn policy(policy: &UpdatePolicy) -> Value {
    json!({
        "Parallelism": policy.parallelism,
        "Delay": nanos(policy.delay),
        "FailureAction": failure_action(policy.failure_action),
        "Monitor": nanos(policy.monitor),
        "MaxFailureRatio": share(policy),
        "Order": order(policy.order),
    })
}

/// The failure ratio as a decimal number.
pub fn share(policy: &UpdatePolicy) -> f64 {
    f64::from(policy.max_failure_ratio.parts_per_million()) / f64::from(model::Ratio::WHOLE)
}

fn placement(spec: &ServiceSpec) -> Value {
    let placement = &spec.placement;
    let constraints: Vec<_> = placement.constraints.iter().map(ToString::to_string).collect();
    let spread = |over: &model::SpreadOver| json!({ "Spread": { "SpreadDescriptor": over.to_string() } });
    let platform = |p: &model::Platform| json!({ "Architecture": p.arch, "OS": p.os });
    Fields::new()
        .unless_empty("Constraints", json!(constraints))
        .unless_empty("Preferences", placement.preferences.iter().map(spread).collect())
        .unless_empty("MaxReplicas", json!(placement.max_replicas))
        .unless_empty("Platforms", placement.platforms.iter().map(platform).collect())
        .value()
}

/// A resource with an operator's name.
pub fn generic(resource: &GenericResource) -> Value {
    match resource {
        GenericResource::Discrete { kind, amount } => {
            json!({ "DiscreteResourceSpec": { "Kind": kind, "Value": amount } })
        }
        GenericResource::Named { kind, value } => {
            json!({ "NamedResourceSpec": { "Kind": kind, "Value": value } })
        }
    }
}

fn resources(resources: &Resources) -> Value {
    let (limits, reservations) = (&resources.limits, &resources.reservations);
    let at_most = Fields::new()
        .unless_empty("NanoCPUs", json!(limits.nano_cpus))
        .unless_empty("MemoryBytes", json!(limits.memory_bytes))
        .unless_empty("Pids", json!(limits.pids));
    let at_least = Fields::new()
        .unless_empty("NanoCPUs", json!(reservations.nano_cpus))
        .unless_empty("MemoryBytes", json!(reservations.memory_bytes))
        .unless_empty("GenericResources", reservations.generic.iter().map(generic).collect());
    Fields::new()
        .maybe("Limits", Some(at_most.value()))
        .maybe("Reservations", Some(at_least.value()))
        .maybe("SwapBytes", resources.memory_swap.map(|bytes| json!(bytes)))
        .maybe(
            "MemorySwappiness",
            resources.memory_swappiness.map(|share| json!(share)),
        )
        .value()
}

/// What runs in the container.
pub fn container(spec: &ContainerSpec) -> Value {
    let ulimit =
        |(name, limit): (&String, &model::Ulimit)| json!({ "Name": name, "Soft": limit.soft, "Hard": limit.hard });
    let device = |device: &model::Device| {
        json!({
            "PathOnHost": device.host,
            "PathInContainer": device.container,
            "CgroupPermissions": device.permissions,
        })
    };
    let files = |files: &[PayloadRef], kind| files.iter().map(|file| payload_ref(file, kind)).collect::<Value>();
    Fields::new()
        .maybe("Image", Some(json!(spec.image)))
        .unless_empty("Labels", json!(spec.labels))
        .unless_empty("Command", json!(spec.command))
        .unless_empty("Args", json!(spec.args))
        .maybe("Hostname", spec.hostname.as_ref().map(|text| json!(text)))
        .unless_empty("Env", json!(spec.env))
        .maybe("Dir", spec.dir.as_ref().map(|text| json!(text)))
        .maybe("User", spec.user.as_ref().map(|text| json!(text)))
        .unless_empty("Groups", json!(spec.groups))
        .unless_empty("Privileged", json!(spec.privileged))
        .unless_empty("Devices", spec.devices.iter().map(device).collect())
        .maybe("Init", spec.init.map(|init| json!(init)))
        .maybe("StopSignal", spec.stop_signal.as_ref().map(|text| json!(text)))
        .unless_empty("TTY", json!(spec.tty))
        .unless_empty("OpenStdin", json!(spec.open_stdin))
        .unless_empty("ReadOnly", json!(spec.read_only))
        .unless_empty("Mounts", spec.mounts.iter().map(mount).collect())
        .maybe("StopGracePeriod", spec.stop_grace.map(|span| json!(nanos(span))))
        .maybe("Healthcheck", spec.health.as_ref().map(health))
        .maybe("Probe", spec.probe.as_ref().map(probe))
        .unless_empty("ReadyCommand", json!(spec.ready_command))
        .unless_empty("Hosts", json!(spec.hosts))
        .maybe("DNSConfig", Some(dns(spec)))
        .unless_empty("Secrets", files(&spec.secrets, PayloadKind::Secret))
        .unless_empty("Configs", files(&spec.configs, PayloadKind::Config))
        .unless_empty("Sysctls", json!(spec.sysctls))
        .unless_empty("CapabilityAdd", json!(spec.cap_add))
        .unless_empty("CapabilityDrop", json!(spec.cap_drop))
        .unless_empty("Ulimits", spec.ulimits.iter().map(ulimit).collect())
        .unless_empty("OomScoreAdj", json!(spec.oom_score_adj))
        .unless_empty("Pull", json!(pull(spec.pull)))
        .value()
}

/// Empty for the default.
fn pull(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::Missing => "",
        PullPolicy::Always => "always",
        PullPolicy::Never => "never",
    }
}

fn dns(spec: &ContainerSpec) -> Value {
    let nameservers: Vec<_> = spec.dns.nameservers.iter().map(ToString::to_string).collect();
    Fields::new()
        .unless_empty("Nameservers", json!(nameservers))
        .unless_empty("Search", json!(spec.dns.search))
        .unless_empty("Options", json!(spec.dns.options))
        .value()
}

fn payload_ref(file: &PayloadRef, kind: PayloadKind) -> Value {
    let (id, name) = match kind {
        PayloadKind::Secret => ("SecretID", "SecretName"),
        PayloadKind::Config => ("ConfigID", "ConfigName"),
    };
    json!({
        "File": { "Name": file.target, "UID": file.uid, "GID": file.gid, "Mode": file.mode },
        id: file.id.to_string(),
        name: file.name.as_str(),
    })
}

fn driver(driver: &Driver) -> Value {
    Fields::new()
        .maybe("Name", Some(json!(driver.name)))
        .unless_empty("Options", json!(driver.options))
        .value()
}

fn mount(mount: &Mount) -> Value {
    let (word, options, value) = match &mount.kind {
        MountKind::Bind {
            propagation,
            non_recursive,
            create_host_path,
        } => {
            let options = Fields::new()
                .maybe("Propagation", propagation.map(|p| json!(propagation_word(p))))
                .unless_empty("NonRecursive", json!(non_recursive))
                .unless_empty("CreateMountpoint", json!(create_host_path));
            ("bind", "BindOptions", options)
        }
        MountKind::Volume {
            no_copy,
            labels,
            driver: with,
            subpath,
        } => {
            let options = Fields::new()
                .unless_empty("NoCopy", json!(no_copy))
                .unless_empty("Labels", json!(labels))
                .maybe("DriverConfig", with.as_ref().map(driver))
                .unless_empty("Subpath", json!(subpath));
            ("volume", "VolumeOptions", options)
        }
        MountKind::Tmpfs { size_bytes, mode } => {
            let options = Fields::new()
                .unless_empty("SizeBytes", json!(size_bytes))
                .unless_empty("Mode", json!(mode));
            ("tmpfs", "TmpfsOptions", options)
        }
        MountKind::Image { subpath } => (
            "image",
            "ImageOptions",
            Fields::new().unless_empty("Subpath", json!(subpath)),
        ),
    };
    Fields::new()
        .maybe("Type", Some(json!(word)))
        .unless_empty("Source", json!(mount.source))
        .maybe("Target", Some(json!(mount.target)))
        .unless_empty("ReadOnly", json!(mount.read_only))
        .unless_empty(options, value.value())
        .value()
}

fn propagation_word(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::Private => "private",
        Propagation::Rprivate => "rprivate",
        Propagation::Shared => "shared",
        Propagation::Rshared => "rshared",
        Propagation::Slave => "slave",
        Propagation::Rslave => "rslave",
    }
}

fn health(health: &HealthCheck) -> Value {
    let words = |word: &str, rest: &[String]| {
        let all = std::iter::once(word).chain(rest.iter().map(String::as_str));
        json!(all.collect::<Vec<_>>())
    };
    let test = match &health.test {
        HealthTest::Image => json!([]),
        HealthTest::None => words("NONE", &[]),
        HealthTest::Exec(command) => words("CMD", command),
        HealthTest::Shell(line) => words("CMD-SHELL", std::slice::from_ref(line)),
    };
    let span = |span: Option<Duration>| span.map(|span| json!(nanos(span)));
    Fields::new()
        .unless_empty("Test", test)
        .maybe("Interval", span(health.interval))
        .maybe("Timeout", span(health.timeout))
        .maybe("StartPeriod", span(health.start_period))
        .maybe("StartInterval", span(health.start_interval))
        .maybe("Retries", health.retries.map(|number| json!(number)))
        .value()
}

fn probe(probe: &Probe) -> Value {
    json!({
        "Target": probe.target.to_string(),
        "Interval": nanos(probe.interval),
        "Timeout": nanos(probe.timeout),
        "Failures": probe.failures,
        "StartPeriod": nanos(probe.start_period),
    })
}

/// What is published and how names are answered, as given.
pub fn endpoint_spec(spec: &ServiceSpec) -> Value {
    Fields::new()
        .maybe("Mode", Some(json!(endpoint_mode(spec.endpoint_mode))))
        .unless_empty("Ports", spec.ports.iter().map(port).collect())
        .value()
}

fn port(port: &PortSpec) -> Value {
    Fields::new()
        .maybe("Protocol", Some(json!(port.protocol.word())))
        .maybe("TargetPort", Some(json!(port.target)))
        .maybe("PublishedPort", port.published.map(|number| json!(number)))
        .maybe("PublishMode", Some(json!(publish_mode(port.mode))))
        .value()
}

/// `vip` or `dnsrr`.
pub fn endpoint_mode(mode: EndpointMode) -> &'static str {
    match mode {
        EndpointMode::Vip => "vip",
        EndpointMode::Dnsrr => "dnsrr",
    }
}

/// `ingress` or `host`.
pub fn publish_mode(mode: PublishMode) -> &'static str {
    match mode {
        PublishMode::Ingress => "ingress",
        PublishMode::Host => "host",
    }
}

/// `none`, `on-failure` or `any`.
pub fn condition(condition: RestartCondition) -> &'static str {
    match condition {
        RestartCondition::None => "none",
        RestartCondition::OnFailure => "on-failure",
        RestartCondition::Any => "any",
    }
}

/// `pause`, `continue` or `rollback`.
pub fn failure_action(action: FailureAction) -> &'static str {
    match action {
        FailureAction::Pause => "pause",
        FailureAction::Continue => "continue",
        FailureAction::Rollback => "rollback",
    }
}

/// `stop-first` or `start-first`.
pub fn order(order: UpdateOrder) -> &'static str {
    match order {
        UpdateOrder::StopFirst => "stop-first",
        UpdateOrder::StartFirst => "start-first",
    }
}

/// A span as the Engine API has it.
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
