//! The part `deploy:`, how a service runs in a cluster.

use model::{
    Constraint, EndpointMode, FailureAction, GenericResource, Mode, RestartCondition, RestartPolicy, ServiceSpec,
    SpreadOver, UpdateOrder, UpdatePolicy,
};

use crate::{
    failure::Failure,
    request::{bytes, duration, nano_cpus, ratio},
    stack::{
        file::{DeployFile, PolicyFile, RestartFile},
        scalar::Scalar,
    },
};

fn unknown(key: &str, word: &str) -> Failure {
    Failure::Wrong(format!("{key}: \"{word}\" is not known"))
}

/// Sets it as the file says.
pub(super) fn deploy(spec: &mut ServiceSpec, from: &DeployFile) -> Result<(), Failure> {
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
    resources.limits.nano_cpus = cpus(limits.cpus.as_ref())?;
    resources.limits.memory_bytes = memory(limits.memory.as_ref())?;
    resources.limits.pids = limits.pids.unwrap_or_default();
    resources.reservations.nano_cpus = cpus(reservations.cpus.as_ref())?;
    resources.reservations.memory_bytes = memory(reservations.memory.as_ref())?;
    let generic = reservations.generic_resources.iter().map(|entry| {
        let wanted = &entry.discrete_resource_spec;
        format!("{}={}", wanted.kind, wanted.value).parse::<GenericResource>()
    });
    resources.reservations.generic = generic.collect::<Result<_, _>>()?;
    Ok(())
}

fn cpus(text: Option<&Scalar>) -> Result<i64, Failure> {
    text.map_or(Ok(0), |text| nano_cpus("cpus", &text.0))
}

fn memory(text: Option<&Scalar>) -> Result<i64, Failure> {
    text.map_or(Ok(0), |text| bytes("memory", &text.0))
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
