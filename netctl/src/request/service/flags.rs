//! The flags that set one part each.

use std::collections::BTreeMap;

use model::{
    Driver, EndpointMode, FailureAction, PullPolicy, RestartCondition, RestartPolicy, Schedule, ServiceSpec,
    UpdateOrder, UpdatePolicy,
};

use super::{
    health,
    number::{bytes, bytes_or_unlimited, nano_cpus, ratio},
    set_replicas, split_command,
};
use crate::{
    args::{
        ContainerFlags, EndpointModeArg, FailureActionArg, ModeFlags, OrderArg, PullArg, ResourceFlags,
        RestartConditionArg, RestartFlags, RollbackFlags, ServiceFlags, UpdateFlags,
    },
    failure::Failure,
    request::{duration::duration, words::labels},
};

/// Sets what was given.
pub fn apply(spec: &mut ServiceSpec, flags: &ServiceFlags) -> Result<(), Failure> {
    mode(spec, &flags.mode)?;
    container(spec, &flags.container)?;
    health::apply(&mut spec.container, &flags.health)?;
    resources(spec, &flags.resources)?;
    restart(spec, &flags.restart)?;
    policy(&mut spec.update, &PolicyFlags::from(&flags.update))?;
    policy(&mut spec.rollback, &PolicyFlags::from(&flags.rollback_policy))
}

/// Takes over what was given.
fn set<T: Clone>(field: &mut T, given: Option<&T>) {
    if let Some(value) = given {
        field.clone_from(value);
    }
}

/// As [`set`], for what the flag's text must be read first.
fn read<T>(field: &mut T, given: Option<&String>, parse: impl Fn(&str) -> Result<T, Failure>) -> Result<(), Failure> {
    if let Some(text) = given {
        *field = parse(text)?;
    }
    Ok(())
}

fn mode(spec: &mut ServiceSpec, flags: &ModeFlags) -> Result<(), Failure> {
    let windows = [
        ("isolation", &flags.isolation),
        ("credential-spec", &flags.credential_spec),
    ];
    if let Some((flag, _)) = windows.iter().find(|(_, given)| given.is_some()) {
        return Err(Failure::Wrong(format!(
            "--{flag} is for Windows containers, which netctl does not run"
        )));
    }
    if let Some(replicas) = flags.replicas {
        set_replicas(&mut spec.mode, replicas)?;
    }
    match (&mut spec.mode, flags.max_concurrent) {
        (model::Mode::ReplicatedJob { max_concurrent, .. }, Some(number)) => *max_concurrent = number,
        (_, Some(_)) => {
            return Err(Failure::Wrong(
                "max-concurrent can only be used with replicated-job mode".to_owned(),
            ));
        }
        (_, None) => {}
    }
    schedule(&mut spec.schedule, flags)?;
    set(&mut spec.placement.max_replicas, flags.replicas_max_per_node.as_ref());
    if let Some(mode) = flags.endpoint_mode {
        spec.endpoint_mode = match mode {
            EndpointModeArg::Vip => EndpointMode::Vip,
            EndpointModeArg::Dnsrr => EndpointMode::Dnsrr,
        };
    }
    Ok(())
}

fn schedule(schedule: &mut Option<Schedule>, flags: &ModeFlags) -> Result<(), Failure> {
    match flags.schedule.as_deref() {
        Some("") => *schedule = None,
        Some(cron) => match schedule {
            Some(schedule) => cron.clone_into(&mut schedule.cron),
            None => *schedule = Some(Schedule::of(cron)),
        },
        None => {}
    }
    match schedule {
        Some(schedule) => {
            set(&mut schedule.zone, flags.schedule_timezone.as_ref());
            read(&mut schedule.overlap, flags.schedule_overlap.as_ref(), |text| {
                Ok(text.parse()?)
            })
        }
        None if flags.schedule_timezone.is_some() || flags.schedule_overlap.is_some() => Err(Failure::Wrong(
            "--schedule-timezone and --schedule-overlap need a schedule: give --schedule too".to_owned(),
        )),
        None => Ok(()),
    }
}

fn container(spec: &mut ServiceSpec, flags: &ContainerFlags) -> Result<(), Failure> {
    let container = &mut spec.container;
    let text = |field: &mut Option<String>, given: &Option<String>| {
        if let Some(text) = given {
            *field = Some(text.clone()).filter(|text| !text.is_empty());
        }
    };
    text(&mut container.hostname, &flags.hostname);
    text(&mut container.dir, &flags.workdir);
    text(&mut container.user, &flags.user);
    text(&mut container.stop_signal, &flags.stop_signal);
    read(&mut container.command, flags.entrypoint.as_ref(), split_command)?;
    read(&mut container.stop_grace, flags.stop_grace_period.as_ref(), |text| {
        duration("--stop-grace-period", text).map(Some)
    })?;
    set(&mut container.tty, flags.tty.as_ref());
    set(&mut container.read_only, flags.read_only.as_ref());
    set(&mut container.privileged, flags.privileged.as_ref());
    set(&mut container.oom_score_adj, flags.oom_score_adj.as_ref());
    container.init = flags.init.or(container.init);
    if let Some(pull) = flags.pull {
        container.pull = match pull {
            PullArg::Always => PullPolicy::Always,
            PullArg::Missing => PullPolicy::Missing,
            PullArg::Never => PullPolicy::Never,
        };
    }
    log_driver(&mut container.log_driver, flags)
}

/// A driver's options are given together with it; options alone are for the driver that there is.
fn log_driver(driver: &mut Option<Driver>, flags: &ContainerFlags) -> Result<(), Failure> {
    if let Some(name) = &flags.log_driver {
        *driver = Some(Driver {
            name: name.clone(),
            options: BTreeMap::new(),
        });
    }
    if !flags.log_opt.is_empty() {
        driver.get_or_insert_default().options.extend(labels(&flags.log_opt)?);
    }
    Ok(())
}

fn resources(spec: &mut ServiceSpec, flags: &ResourceFlags) -> Result<(), Failure> {
    let resources = &mut spec.container.resources;
    let (limits, reservations) = (&mut resources.limits, &mut resources.reservations);
    read(&mut limits.nano_cpus, flags.limit_cpu.as_ref(), |text| {
        nano_cpus("--limit-cpu", text)
    })?;
    read(&mut limits.memory_bytes, flags.limit_memory.as_ref(), |text| {
        bytes("--limit-memory", text)
    })?;
    set(&mut limits.pids, flags.limit_pids.as_ref());
    read(&mut reservations.nano_cpus, flags.reserve_cpu.as_ref(), |text| {
        nano_cpus("--reserve-cpu", text)
    })?;
    read(&mut reservations.memory_bytes, flags.reserve_memory.as_ref(), |text| {
        bytes("--reserve-memory", text)
    })?;
    read(&mut resources.memory_swap, flags.memory_swap.as_ref(), |text| {
        bytes_or_unlimited("--memory-swap", text).map(Some)
    })?;
    resources.memory_swappiness = flags.memory_swappiness.or(resources.memory_swappiness);
    Ok(())
}

fn restart(spec: &mut ServiceSpec, flags: &RestartFlags) -> Result<(), Failure> {
    let default = RestartPolicy {
        condition: spec.restart_policy().condition,
        ..RestartPolicy::default()
    };
    let mut policy = spec.restart.unwrap_or(default);
    if let Some(condition) = flags.restart_condition {
        policy.condition = match condition {
            RestartConditionArg::None => RestartCondition::None,
            RestartConditionArg::OnFailure => RestartCondition::OnFailure,
            RestartConditionArg::Any => RestartCondition::Any,
        };
    }
    read(&mut policy.delay, flags.restart_delay.as_ref(), |text| {
        duration("--restart-delay", text)
    })?;
    set(&mut policy.max_attempts, flags.restart_max_attempts.as_ref());
    read(&mut policy.window, flags.restart_window.as_ref(), |text| {
        duration("--restart-window", text)
    })?;
    if spec.restart.is_some() || policy != default || flags.restart_condition.is_some() {
        spec.restart = Some(policy);
    }
    Ok(())
}

/// The flags of an update or of a rollback.
struct PolicyFlags<'a> {
    prefix: &'static str,
    parallelism: Option<u32>,
    delay: Option<&'a String>,
    monitor: Option<&'a String>,
    max_failure_ratio: Option<f64>,
    order: Option<OrderArg>,
    failure_action: Option<FailureActionArg>,
}

macro_rules! policy_flags {
    ($($flags:ident $prefix:literal),+) => {$(
        impl<'a> From<&'a $flags> for PolicyFlags<'a> {
            fn from(flags: &'a $flags) -> Self {
                Self {
                    prefix: $prefix,
                    parallelism: flags.parallelism,
                    delay: flags.delay.as_ref(),
                    monitor: flags.monitor.as_ref(),
                    max_failure_ratio: flags.max_failure_ratio,
                    order: flags.order,
                    failure_action: flags.failure_action,
                }
            }
        }
    )+};
}

policy_flags!(UpdateFlags "update", RollbackFlags "rollback");

fn policy(kept: &mut Option<UpdatePolicy>, flags: &PolicyFlags<'_>) -> Result<(), Failure> {
    let mut policy = kept.unwrap_or_default();
    let prefix = flags.prefix;
    set(&mut policy.parallelism, flags.parallelism.as_ref());
    read(&mut policy.delay, flags.delay, |text| {
        duration(&format!("--{prefix}-delay"), text)
    })?;
    read(&mut policy.monitor, flags.monitor, |text| {
        duration(&format!("--{prefix}-monitor"), text)
    })?;
    if let Some(share) = flags.max_failure_ratio {
        policy.max_failure_ratio = ratio(&format!("--{prefix}-max-failure-ratio"), share)?;
    }
    if let Some(order) = flags.order {
        policy.order = match order {
            OrderArg::StartFirst => UpdateOrder::StartFirst,
            OrderArg::StopFirst => UpdateOrder::StopFirst,
        };
    }
    if let Some(action) = flags.failure_action {
        policy.failure_action = match action {
            FailureActionArg::Pause => FailureAction::Pause,
            FailureActionArg::Continue => FailureAction::Continue,
            FailureActionArg::Rollback => FailureAction::Rollback,
        };
    }
    if kept.is_some() || policy != UpdatePolicy::default() {
        *kept = Some(policy);
    }
    Ok(())
}
