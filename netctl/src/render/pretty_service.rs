//! `service inspect --pretty`: what people want to see of a service, in docker's words and order, with the defaults that
//! hold where nothing was given.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use model::{
    ContainerSpec, HealthCheck, HealthTest, Mode, Mount, MountKind, NetworkId, PayloadKind, PayloadRef, Probe,
    Resources, Service, ServiceSpec, Timestamp, UpdatePolicy,
};

use super::{
    job,
    pretty::map,
    spec::{endpoint_mode, failure_action, order, publish_mode, share},
    time::ago,
};

/// A service; networks by name where `names` has them.
pub fn service_text(service: &Service, names: &BTreeMap<NetworkId, String>, now: Timestamp) -> String {
    let spec = &service.spec;
    let mut text = format!("\nID:\t\t{}\nName:\t\t{}\n", service.id, spec.name);
    map(&mut text, "Labels:", &spec.labels);
    mode(&mut text, spec.mode);
    job::text(&mut text, service, now);
    update_status(&mut text, service, now);
    canary(&mut text, service);
    placement(&mut text, spec);
    if !spec.mode.is_job() {
        policy(&mut text, "Update", &spec.update.unwrap_or_default());
        policy(&mut text, "Rollback", &spec.rollback.unwrap_or_default());
    }
    container(&mut text, &spec.container);
    resources(&mut text, &spec.container.resources);
    if !spec.networks.is_empty() {
        let name = |network| names.get(&network).cloned().unwrap_or_else(|| network.to_string());
        let networks: Vec<_> = spec
            .networks
            .iter()
            .map(|attachment| name(attachment.network))
            .collect();
        let _ = writeln!(text, "Networks: {} ", networks.join(" "));
    }
    let _ = writeln!(text, "Endpoint Mode:\t{}", endpoint_mode(spec.endpoint_mode));
    ports(&mut text, service);
    if let Some(check) = &spec.container.health {
        health(&mut text, check);
    }
    if let Some(check) = &spec.container.probe {
        probe(&mut text, check);
    }
    text
}

fn mode(text: &mut String, mode: Mode) {
    let _ = match mode {
        Mode::Replicated { replicas } => write!(text, "Service Mode:\tReplicated\n Replicas:\t{replicas}\n"),
        Mode::Global => writeln!(text, "Service Mode:\tGlobal"),
        Mode::ReplicatedJob {
            max_concurrent,
            total_completions,
        } => write!(
            text,
            "Service Mode:\tReplicatedJob\n Max Concurrent Tasks:\t{max_concurrent}\n Total Completions:\t{total_completions}\n"
        ),
        Mode::GlobalJob => writeln!(text, "Service Mode:\tGlobalJob"),
    };
}

fn update_status(text: &mut String, service: &Service, now: Timestamp) {
    let Some(status) = &service.update_status else { return };
    let _ = writeln!(text, "UpdateStatus:\n State:\t\t{}", status.state.word());
    let _ = writeln!(text, " Started:\t{}", ago(status.started_at, now));
    if let Some(at) = status.completed_at {
        let _ = writeln!(text, " Completed:\t{}", ago(at, now));
    }
    let _ = writeln!(text, " Message:\t{}", status.message);
}

fn canary(text: &mut String, service: &Service) {
    let (Some(canary), Some(before)) = (service.canary, &service.previous) else {
        return;
    };
    let (share, image) = (canary.share, &service.spec.container.image);
    let _ = writeln!(
        text,
        "Canary:\n Share:\t\t{share} of the new connections\n Image:\t\t{image}"
    );
    let _ = writeln!(text, " Other Tasks:\t{}", before.spec.container.image);
}

fn placement(text: &mut String, spec: &ServiceSpec) {
    let placement = &spec.placement;
    text.push_str("Placement:\n");
    let list = |text: &mut String, title: &str, words: Vec<String>| {
        if !words.is_empty() {
            let _ = writeln!(text, " {title}:\t[{}]", words.join(" "));
        }
    };
    list(
        text,
        "Constraints",
        placement.constraints.iter().map(ToString::to_string).collect(),
    );
    let preferences = placement.preferences.iter().map(|over| format!("spread={over}"));
    list(text, "Preferences", preferences.collect());
    if placement.max_replicas > 0 {
        let _ = writeln!(text, " Max Replicas Per Node:\t{}", placement.max_replicas);
    }
}

fn policy(text: &mut String, title: &str, policy: &UpdatePolicy) {
    let _ = writeln!(text, "{title}Config:\n Parallelism:\t{}", policy.parallelism);
    if !policy.delay.is_zero() {
        let _ = writeln!(text, " Delay:\t\t{}", span(policy.delay));
    }
    let _ = writeln!(text, " On failure:\t{}", failure_action(policy.failure_action));
    let _ = writeln!(text, " Monitoring Period: {}", span(policy.monitor));
    let _ = writeln!(text, " Max failure ratio: {}", share(policy));
    let _ = writeln!(text, " {:<19}{}", format!("{title} order:"), order(policy.order));
}

fn container(text: &mut String, spec: &ContainerSpec) {
    let _ = writeln!(text, "ContainerSpec:\n Image:\t\t{}", spec.image);
    if !spec.args.is_empty() {
        let _ = writeln!(text, " Args:\t\t{} ", spec.args.join(" "));
    }
    if !spec.env.is_empty() {
        let _ = writeln!(text, " Env:\t\t{} ", spec.env.join(" "));
    }
    if let Some(dir) = &spec.dir {
        let _ = writeln!(text, " Dir:\t\t{dir}");
    }
    if let Some(user) = &spec.user {
        let _ = writeln!(text, " User: {user}");
    }
    if let Some(init) = spec.init {
        let _ = writeln!(text, " Init:\t\t{init}");
    }
    if !spec.mounts.is_empty() {
        text.push_str("Mounts:\n");
    }
    spec.mounts.iter().for_each(|entry| mount(text, entry));
    files(text, "Configs:", &spec.configs, PayloadKind::Config);
    files(text, "Secrets:", &spec.secrets, PayloadKind::Secret);
    if let Some(driver) = &spec.log_driver {
        let _ = writeln!(text, "Log Driver:\n Name:\t\t{}", driver.name);
        map(text, " LogOpts:", &driver.options);
    }
}

fn mount(text: &mut String, mount: &Mount) {
    let word = match mount.kind {
        MountKind::Bind { .. } => "bind",
        MountKind::Volume { .. } => "volume",
        MountKind::Tmpfs { .. } => "tmpfs",
        MountKind::Image { .. } => "image",
    };
    let _ = writeln!(text, " Target:\t{}\n  Source:\t{}", mount.target, mount.source);
    let _ = writeln!(text, "  ReadOnly:\t{}\n  Type:\t\t{word}", mount.read_only);
}

fn files(text: &mut String, title: &str, files: &[PayloadRef], kind: PayloadKind) {
    if !files.is_empty() {
        let _ = writeln!(text, "{title}");
    }
    for file in files {
        let _ = writeln!(text, " Target:\t{}\n  Source:\t{}", file.path(kind), file.name);
    }
}

fn resources(text: &mut String, resources: &Resources) {
    text.push_str("Resources:\n");
    let (least, most) = (&resources.reservations, &resources.limits);
    amounts(text, "Reservations", least.nano_cpus, least.memory_bytes);
    amounts(text, "Limits", most.nano_cpus, most.memory_bytes);
}

fn amounts(text: &mut String, title: &str, nano_cpus: i64, memory_bytes: i64) {
    if nano_cpus == 0 && memory_bytes == 0 {
        return;
    }
    let _ = writeln!(text, " {title}:");
    if nano_cpus > 0 {
        let _ = writeln!(text, "  CPU:\t\t{}", nano_cpus as f64 / 1e9);
    }
    if memory_bytes > 0 {
        let _ = writeln!(text, "  Memory:\t{}", size(memory_bytes));
    }
}

/// Bytes with a unit of 1024 and at most four digits, as docker's `BytesSize`.
fn size(bytes: i64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 1024.0 && unit < units.len() - 1 {
        number /= 1024.0;
        unit += 1;
    }
    let digits = 3usize.saturating_sub(number.log10().max(0.0) as usize);
    let text = format!("{number:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{}", units[unit])
}

fn ports(text: &mut String, service: &Service) {
    if !service.ports.is_empty() {
        text.push_str("Ports:\n");
    }
    for port in &service.ports {
        let (published, target) = (port.published, port.target);
        let (protocol, mode) = (port.protocol, publish_mode(port.mode));
        let _ = writeln!(text, " PublishedPort = {published}\n  Protocol = {protocol}");
        let _ = writeln!(text, "  TargetPort = {target}\n  PublishMode = {mode}");
    }
}

fn health(text: &mut String, check: &HealthCheck) {
    let times = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("Start Period", check.start_period),
        ("Start Interval", check.start_interval),
    ];
    text.push_str("Healthcheck:\n");
    for (title, time) in times {
        if let Some(time) = time {
            let _ = writeln!(text, " {title} = {}", span(time));
        }
    }
    if let Some(retries) = check.retries {
        let _ = writeln!(text, " Retries = {retries}");
    }
    let test = match &check.test {
        HealthTest::Image => return,
        HealthTest::None => "NONE".to_owned(),
        HealthTest::Exec(words) => format!("CMD {}", words.join(" ")),
        HealthTest::Shell(line) => format!("CMD-SHELL {line}"),
    };
    let _ = writeln!(text, " Test:\t{test}");
}

fn probe(text: &mut String, probe: &Probe) {
    let (interval, timeout) = (span(probe.interval), span(probe.timeout));
    let _ = writeln!(
        text,
        "Probe:\n Target:\t{}\n Interval:\t{interval}\n Timeout:\t{timeout}",
        probe.target
    );
    let _ = writeln!(text, " Failures:\t{}", probe.failures);
}

/// A span as Go writes it: `1m30s`, `500ms`.
fn span(span: Duration) -> String {
    let nanos = span.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000_000_000 {
        let (unit, name) = [(1_000_000, "ms"), (1000, "µs"), (1, "ns")]
            .into_iter()
            .find(|(unit, _)| nanos >= *unit)
            .unwrap_or((1, "ns"));
        return format!("{}{name}", nanos as f64 / unit as f64);
    }
    let seconds = span.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = (seconds % 60) as f64 + f64::from(span.subsec_nanos()) / 1e9;
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use model::{UpdateState, UpdateStatus};

    use super::*;
    use crate::render::sample;

    const CONFIGS: &str = "UpdateConfig:\n Parallelism:\t1\n On failure:\tpause\n Monitoring Period: 5s\n Max failure \
                           ratio: 0\n Update order:      stop-first\nRollbackConfig:\n Parallelism:\t1\n On \
                           failure:\tpause\n Monitoring Period: 5s\n Max failure ratio: 0\n Rollback order:    stop-first\n";

    #[test]
    fn a_service_reads_as_dockers() {
        let names = BTreeMap::from([(NetworkId::from_bits(1), "blue".to_owned())]);
        assert_eq!(
            service_text(&sample::service(), &names, Timestamp(0)),
            format!(
                "\nID:\t\t0000000000000000000000002\nName:\t\tweb\nService Mode:\tReplicated\n Replicas:\t3\nPlacement:\n\
                 {CONFIGS}ContainerSpec:\n Image:\t\tweb:1\nResources:\nNetworks: blue \nEndpoint Mode:\tvip\nPorts:\n \
                 PublishedPort = 8080\n  Protocol = tcp\n  TargetPort = 80\n  PublishMode = ingress\n"
            )
        );
    }

    #[test]
    fn the_state_of_an_update_is_told() {
        let mut service = sample::service();
        service.update_status = Some(UpdateStatus {
            state: UpdateState::Updating,
            started_at: Timestamp(0),
            completed_at: None,
            message: "update in progress".into(),
        });
        let text = service_text(&service, &BTreeMap::new(), Timestamp(2 * sample::SECOND));
        assert!(
            text.contains(
                "UpdateStatus:\n State:\t\tupdating\n Started:\t2 seconds ago\n Message:\tupdate in progress\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_canary_is_told_with_what_the_other_tasks_run() {
        let mut service = sample::service();
        let spec = service.spec.clone();
        service.previous = Some(Box::new(model::PreviousSpec { spec, spec_version: 1 }));
        service.spec.container.image = "web:2".into();
        service.canary = model::Canary::new(model::Ratio::new(100_000).unwrap(), 2).ok();
        let text = service_text(&service, &BTreeMap::new(), Timestamp(0));
        let told = "Canary:\n Share:\t\t10% of the new connections\n Image:\t\tweb:2\n Other Tasks:\tweb:1\n";
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn spans_and_sizes_are_written_as_go_and_docker_do() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500_000, "1.5ms"),
            (2_000_000_000, "2s"),
            (90_500_000_000, "1m30.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(span(Duration::from_nanos(nanos)), text);
        }
        for (bytes, text) in [(64 << 20, "64MiB"), (1536, "1.5KiB"), (1 << 30, "1GiB"), (10, "10B")] {
            assert_eq!(size(bytes), text);
        }
    }
}
