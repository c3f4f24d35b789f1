//! From a Compose file to what is to exist.

use std::{collections::BTreeMap, fs, path::Path};

use model::{
    Constraint, Driver, EndpointMode, FailureAction, HealthCheck, HealthTest, Mode, Name, NameKind, NetworkSpec,
    PayloadKind, PortSpec, RestartCondition, RestartPolicy, ServiceSpec, SpreadOver, Ulimit, UpdateOrder, UpdatePolicy,
};
use wire::pb;

use super::{
    NAMESPACE,
    file::{
        AmountsFile, AttachmentFile, ComposeFile, DeployFile, FileRef, HealthFile, NetworkFile, PayloadFile,
        PolicyFile, PortFile, RestartFile, ServiceFile, ServiceNetworks, UlimitFile,
    },
    scalar::{Pairs, Words},
    volume,
};
use crate::{
    failure::Failure,
    request::{bytes, duration, environment_file, nano_cpus, ratio, refer, split_command},
};

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
    for port in &from.ports {
        spec.ports.push(self::port(port)?);
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

fn words(words: Option<&Words>) -> Result<Vec<String>, Failure> {
    match words {
        None => Ok(Vec::new()),
        Some(Words::Line(line)) => split_command(line),
        Some(Words::List(list)) => Ok(list.clone()),
    }
}

fn container(spec: &mut ServiceSpec, folder: &Path, from: &ServiceFile) -> Result<(), Failure> {
    let container = &mut spec.container;
    container.command = words(from.entrypoint.as_ref())?;
    container.args = words(from.command.as_ref())?;
    for path in &from.env_file.0 {
        container
            .env
            .extend(environment_file(&folder.join(path).to_string_lossy())?);
    }
    let own = from.environment.texts();
    let name = |text: &str| text.split('=').next().unwrap_or_default().to_owned();
    container
        .env
        .retain(|have| !own.iter().any(|new| name(new) == name(have)));
    container.env.extend(own);
    container.hostname.clone_from(&from.hostname);
    container.dir.clone_from(&from.working_dir);
    container.user = from.user.as_ref().map(|user| user.0.clone());
    (container.tty, container.open_stdin, container.read_only) = (from.tty, from.stdin_open, from.read_only);
    container.init = from.init;
    container.stop_signal.clone_from(&from.stop_signal);
    container.stop_grace = from
        .stop_grace_period
        .as_ref()
        .map(|text| duration("stop_grace_period", text))
        .transpose()?;
    container.cap_add.clone_from(&from.cap_add);
    container.cap_drop.clone_from(&from.cap_drop);
    container.sysctls = from.sysctls.map();
    let limit = |(name, limit): (&String, &UlimitFile)| {
        let (soft, hard) = match *limit {
            UlimitFile::Both(number) => (number, number),
            UlimitFile::Each { soft, hard } => (soft, hard),
        };
        (name.clone(), Ulimit { soft, hard })
    };
    container.ulimits = from.ulimits.iter().map(limit).collect();
    let address = |text: &String| {
        text.parse()
            .map_err(|_| Failure::Wrong(format!("dns: invalid address \"{text}\"")))
    };
    container.dns.nameservers = from.dns.0.iter().map(address).collect::<Result<_, _>>()?;
    container.dns.search.clone_from(&from.dns_search.0);
    container.dns.options.clone_from(&from.dns_opt);
    container.hosts = from
        .extra_hosts
        .iter()
        .map(|text| host(text))
        .collect::<Result<_, _>>()?;
    container.health = from.healthcheck.as_ref().map(health).transpose()?;
    container.log_driver = from.logging.as_ref().map(|logging| Driver {
        name: logging.driver.clone(),
        options: logging.options.map(),
    });
    Ok(())
}

/// `HOST:IP` or `HOST=IP`.
fn host(text: &str) -> Result<String, Failure> {
    let parts = text.split_once([':', '=']);
    let (name, address) = parts.ok_or_else(|| Failure::Wrong(format!("extra_hosts: \"{text}\": use HOST:IP")))?;
    Ok(format!("{address} {name}"))
}

fn health(from: &HealthFile) -> Result<HealthCheck, Failure> {
    let span = |key: &str, text: &Option<String>| text.as_ref().map(|text| duration(key, text)).transpose();
    let test = match &from.test {
        _ if from.disable => HealthTest::None,
        None => HealthTest::Image,
        Some(Words::Line(line)) => HealthTest::Shell(line.clone()),
        Some(Words::List(list)) => match list.split_first() {
            Some((word, [])) if word == "NONE" => HealthTest::None,
            Some((word, rest)) if word == "CMD" => HealthTest::Exec(rest.to_vec()),
            Some((word, [line])) if word == "CMD-SHELL" => HealthTest::Shell(line.clone()),
            _ => {
                return Err(Failure::Wrong(
                    "healthcheck: test begins with NONE, CMD or CMD-SHELL".to_owned(),
                ));
            }
        },
    };
    Ok(HealthCheck {
        test,
        interval: span("interval", &from.interval)?,
        timeout: span("timeout", &from.timeout)?,
        retries: from.retries,
        start_period: span("start_period", &from.start_period)?,
        start_interval: span("start_interval", &from.start_interval)?,
    })
}

fn port(port: &PortFile) -> Result<PortSpec, Failure> {
    Ok(match port {
        PortFile::Short(text) => text.0.parse()?,
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
            format!("target={target},protocol={protocol},mode={mode}{published}").parse()?
        }
    })
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

fn unknown(key: &str, word: &str) -> Failure {
    Failure::Wrong(format!("{key}: \"{word}\" is not known"))
}

fn deploy(spec: &mut ServiceSpec, from: &DeployFile) -> Result<(), Failure> {
    let replicas = from.replicas.unwrap_or(1);
    spec.mode = match from.mode.as_deref().unwrap_or("replicated") {
        "replicated" => Mode::Replicated { replicas },
        "global" => Mode::Global,
        "replicated-job" => Mode::ReplicatedJob {
            max_concurrent: replicas,
            total_completions: replicas,
        },
        "global-job" => Mode::GlobalJob,
        word => return Err(unknown("deploy.mode", word)),
    };
    spec.endpoint_mode = match from.endpoint_mode.as_deref().unwrap_or("vip") {
        "vip" => EndpointMode::Vip,
        "dnsrr" => EndpointMode::Dnsrr,
        word => return Err(unknown("deploy.endpoint_mode", word)),
    };
    spec.update = from.update_config.as_ref().map(policy).transpose()?;
    spec.rollback = from.rollback_config.as_ref().map(policy).transpose()?;
    spec.restart = from.restart_policy.as_ref().map(restart).transpose()?;
    let placement = &from.placement;
    let constraints = placement.constraints.iter().map(|text| text.parse::<Constraint>());
    spec.placement.constraints = constraints.collect::<Result<_, _>>()?;
    let preferences = placement
        .preferences
        .iter()
        .map(|preference| preference.spread.parse::<SpreadOver>());
    spec.placement.preferences = preferences.collect::<Result<_, _>>()?;
    spec.placement.max_replicas = placement.max_replicas_per_node;
    let resources = &mut spec.container.resources;
    let (limits, reservations) = (&from.resources.limits, &from.resources.reservations);
    (resources.limits.nano_cpus, resources.limits.memory_bytes) = amounts(limits)?;
    resources.limits.pids = limits.pids.unwrap_or_default();
    (resources.reservations.nano_cpus, resources.reservations.memory_bytes) = amounts(reservations)?;
    Ok(())
}

fn amounts(file: &AmountsFile) -> Result<(i64, i64), Failure> {
    let cpus = file.cpus.as_ref().map(|text| nano_cpus("cpus", &text.0)).transpose()?;
    let memory = file.memory.as_ref().map(|text| bytes("memory", &text.0)).transpose()?;
    Ok((cpus.unwrap_or_default(), memory.unwrap_or_default()))
}

fn policy(file: &PolicyFile) -> Result<UpdatePolicy, Failure> {
    let mut policy = UpdatePolicy::default();
    policy.parallelism = file.parallelism.unwrap_or(policy.parallelism);
    if let Some(text) = &file.delay {
        policy.delay = duration("delay", text)?;
    }
    if let Some(text) = &file.monitor {
        policy.monitor = duration("monitor", text)?;
    }
    if let Some(share) = file.max_failure_ratio {
        policy.max_failure_ratio = ratio("max_failure_ratio", share)?;
    }
    policy.failure_action = match file.failure_action.as_deref().unwrap_or("pause") {
        "pause" => FailureAction::Pause,
        "continue" => FailureAction::Continue,
        "rollback" => FailureAction::Rollback,
        word => return Err(unknown("failure_action", word)),
    };
    policy.order = match file.order.as_deref().unwrap_or("stop-first") {
        "stop-first" => UpdateOrder::StopFirst,
        "start-first" => UpdateOrder::StartFirst,
        word => return Err(unknown("order", word)),
    };
    Ok(policy)
}

fn restart(file: &RestartFile) -> Result<RestartPolicy, Failure> {
    let condition = match file.condition.as_deref().unwrap_or("any") {
        "none" => RestartCondition::None,
        "on-failure" => RestartCondition::OnFailure,
        "any" => RestartCondition::Any,
        word => return Err(unknown("condition", word)),
    };
    let mut policy = RestartPolicy {
        condition,
        ..RestartPolicy::default()
    };
    if let Some(text) = &file.delay {
        policy.delay = duration("delay", text)?;
    }
    if let Some(text) = &file.window {
        policy.window = duration("window", text)?;
    }
    policy.max_attempts = file.max_attempts.unwrap_or_default();
    Ok(policy)
}
