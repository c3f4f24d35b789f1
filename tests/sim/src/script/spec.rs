//! Keys of `service` and `update`. Each sets its part of the spec anew.
//!
//! ```text
//! replicas=3   image=web:2   network=back,front   publish=8080:80,53/udp   force=1 (another number replaces all)
//! host-port=8080:80   secret=db   reserve-cpus=1   reserve-memory=64 (MiB)   reserve-generic=gpu=2
//! mode=global|job|global-job   completions=5   concurrent=2   schedule=*/5_*_*_*_*   overlap=skip|queue|replace
//! constraint=node.labels.zone==a,node.role==worker   prefer=node.labels.zone   max-per-node=1
//! restart=none|on-failure|any   restart-delay=5s   restart-attempts=3   restart-window=1m
//! update-parallelism=1   update-delay=10s   update-monitor=5s   update-ratio=0 (parts of a million)
//! update-action=pause|continue|rollback   update-order=stop-first|start-first   and the same with rollback-
//! ```

use std::time::Duration;

use model::{
    FailureAction, Mode, NetworkAttachment, PayloadKind, PayloadRef, PortSpec, PublishMode, Ratio, Reservations,
    RestartCondition, RestartPolicy, Schedule, ServiceSpec, UpdateOrder,
};
use store::View;

/// Sets one key.
pub fn set(view: &View, spec: &mut ServiceSpec, pair: &str) -> Result<(), String> {
    let (key, value) = pair.split_once('=').ok_or_else(|| format!("{pair} is not KEY=VALUE"))?;
    match key {
        "replicas" => {
            spec.mode = Mode::Replicated {
                replicas: number(value)?,
            }
        }
        "image" => value.clone_into(&mut spec.container.image),
        "network" => {
            spec.networks = list(value)
                .map(|name| attachment(view, name))
                .collect::<Result<_, _>>()?
        }
        "publish" => spec.ports = parsed(value)?,
        "host-port" => spec.ports = host_ports(value)?,
        "secret" => spec.container.secrets = list(value).map(|name| secret(view, name)).collect::<Result<_, _>>()?,
        "reserve-cpus" => reservations(spec).nano_cpus = number::<i64>(value)? * 1_000_000_000,
        "reserve-memory" => reservations(spec).memory_bytes = number::<i64>(value)? << 20,
        "reserve-generic" => reservations(spec).generic = parsed(value)?,
        "schedule" => spec.schedule = Some(Schedule::of(&value.replace('_', " "))),
        "overlap" => overlap(spec, value)?,
        "constraint" => spec.placement.constraints = parsed(value)?,
        "force" => spec.force_update = number(value)?,
        "mode" => spec.mode = mode(value)?,
        "completions" | "concurrent" => job(spec, key, number(value)?)?,
        "prefer" => spec.placement.preferences = parsed(value)?,
        "max-per-node" => spec.placement.max_replicas = number(value)?,
        "restart" => restart(spec).condition = condition(value)?,
        "restart-delay" => restart(spec).delay = span(value)?,
        "restart-attempts" => restart(spec).max_attempts = number(value)?,
        "restart-window" => restart(spec).window = span(value)?,
        _ => return policy(spec, key, value),
    }
    Ok(())
}

fn mode(value: &str) -> Result<Mode, String> {
    match value {
        "global" => Ok(Mode::Global),
        "job" => Ok(Mode::ReplicatedJob {
            max_concurrent: 1,
            total_completions: 1,
        }),
        "global-job" => Ok(Mode::GlobalJob),
        _ => Err(format!("{value} is no mode: global, job, global-job")),
    }
}

fn job(spec: &mut ServiceSpec, key: &str, count: u32) -> Result<(), String> {
    match &mut spec.mode {
        Mode::ReplicatedJob { total_completions, .. } if key == "completions" => *total_completions = count,
        Mode::ReplicatedJob { max_concurrent, .. } => *max_concurrent = count,
        _ => return Err(format!("{key} is for mode=job")),
    }
    Ok(())
}

fn overlap(spec: &mut ServiceSpec, value: &str) -> Result<(), String> {
    let schedule = spec.schedule.as_mut().ok_or("overlap comes after schedule")?;
    schedule.overlap = value.parse().map_err(|why: model::Invalid| why.to_string())?;
    Ok(())
}

/// Keys of updates and rollbacks.
fn policy(spec: &mut ServiceSpec, key: &str, value: &str) -> Result<(), String> {
    let unknown = || format!("services have no key {key}");
    let (of, name) = key.split_once('-').ok_or_else(unknown)?;
    let policy = match of {
        "update" => spec.update.get_or_insert_default(),
        "rollback" => spec.rollback.get_or_insert_default(),
        _ => return Err(unknown()),
    };
    match (name, value) {
        ("parallelism", _) => policy.parallelism = number(value)?,
        ("delay", _) => policy.delay = span(value)?,
        ("monitor", _) => policy.monitor = span(value)?,
        ("ratio", _) => policy.max_failure_ratio = Ratio::new(number(value)?).map_err(|why| why.to_string())?,
        ("action", "pause") => policy.failure_action = FailureAction::Pause,
        ("action", "continue") => policy.failure_action = FailureAction::Continue,
        ("action", "rollback") => policy.failure_action = FailureAction::Rollback,
        ("order", "stop-first") => policy.order = UpdateOrder::StopFirst,
        ("order", "start-first") => policy.order = UpdateOrder::StartFirst,
        _ => return Err(format!("there is no {key}={value}")),
    }
    Ok(())
}

fn reservations(spec: &mut ServiceSpec) -> &mut Reservations {
    &mut spec.container.resources.reservations
}

fn restart(spec: &mut ServiceSpec) -> &mut RestartPolicy {
    let policy = spec.restart_policy();
    spec.restart.get_or_insert(policy)
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').filter(|part| !part.is_empty())
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(value: &str) -> Result<Vec<T>, String> {
    list(value)
        .map(|part| part.parse().map_err(|why: T::Err| why.to_string()))
        .collect()
}

fn condition(value: &str) -> Result<RestartCondition, String> {
    match value {
        "none" => Ok(RestartCondition::None),
        "on-failure" => Ok(RestartCondition::OnFailure),
        "any" => Ok(RestartCondition::Any),
        _ => Err(format!("{value} is no restart condition")),
    }
}

fn host_ports(value: &str) -> Result<Vec<PortSpec>, String> {
    let mut ports: Vec<PortSpec> = parsed(value)?;
    ports.iter_mut().for_each(|port| port.mode = PublishMode::Host);
    Ok(ports)
}

fn secret(view: &View, name: &str) -> Result<PayloadRef, String> {
    let found = control::find_payload(view, PayloadKind::Secret, name).map_err(|why| why.to_string())?;
    Ok(PayloadRef::of(found.id, found.spec.name.clone()))
}

fn attachment(view: &View, name: &str) -> Result<NetworkAttachment, String> {
    let network = control::find_network(view, name).map_err(|why| why.to_string())?;
    Ok(NetworkAttachment {
        network: network.id,
        aliases: Vec::new(),
    })
}

/// A number.
pub fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

/// `500ms`, `5s`, `2m`, `1h`.
pub fn span(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("{text} is no span: 500ms, 5s, 2m, 1h")),
    };
    Ok(Duration::from_millis(number::<u64>(count)? * ms))
}
