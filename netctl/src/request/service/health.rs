//! Health checks by command, and probes.

use model::{ContainerSpec, HealthCheck, HealthTest, Probe};

use super::split_command;
use crate::{args::HealthFlags, failure::Failure, request::duration::duration};

/// Sets what was given.
pub fn apply(container: &mut ContainerSpec, flags: &HealthFlags) -> Result<(), Failure> {
    check(&mut container.health, flags)?;
    probe(&mut container.probe, flags)?;
    if let Some(line) = &flags.ready_cmd {
        container.ready_command = split_command(line)?;
    }
    Ok(())
}

fn check(health: &mut Option<HealthCheck>, flags: &HealthFlags) -> Result<(), Failure> {
    let span = |flag: &str, text: &Option<String>| text.as_ref().map(|text| duration(flag, text)).transpose();
    let interval = span("--health-interval", &flags.health_interval)?;
    let timeout = span("--health-timeout", &flags.health_timeout)?;
    let start_period = span("--health-start-period", &flags.health_start_period)?;
    let start_interval = span("--health-start-interval", &flags.health_start_interval)?;
    let timed = [interval, timeout, start_period, start_interval]
        .iter()
        .any(Option::is_some);
    let given = flags.health_cmd.is_some() || flags.health_retries.is_some() || timed;
    let none = HealthCheck {
        test: HealthTest::None,
        ..image_check()
    };
    if flags.no_healthcheck && given {
        return Err(Failure::Wrong(
            "--no-healthcheck conflicts with --health-* options".to_owned(),
        ));
    }
    if flags.no_healthcheck {
        *health = Some(none);
    }
    if !given {
        return Ok(());
    }
    let check = health.get_or_insert_with(image_check);
    if let Some(line) = &flags.health_cmd {
        check.test = match line.as_str() {
            "" => HealthTest::Image,
            line => HealthTest::Shell(line.to_owned()),
        };
    }
    check.interval = interval.or(check.interval);
    check.timeout = timeout.or(check.timeout);
    check.retries = flags.health_retries.or(check.retries);
    check.start_period = start_period.or(check.start_period);
    check.start_interval = start_interval.or(check.start_interval);
    Ok(())
}

/// What the image says, with the engine's times.
fn image_check() -> HealthCheck {
    HealthCheck {
        test: HealthTest::Image,
        interval: None,
        timeout: None,
        retries: None,
        start_period: None,
        start_interval: None,
    }
}

fn probe(probe: &mut Option<Probe>, flags: &HealthFlags) -> Result<(), Failure> {
    match flags.probe.as_deref() {
        Some("none") => *probe = None,
        Some(address) => {
            let target = address.parse()?;
            match probe {
                Some(probe) => probe.target = target,
                None => *probe = Some(Probe::of(target)),
            }
        }
        None => {}
    }
    let times = [
        ("--probe-interval", &flags.probe_interval),
        ("--probe-timeout", &flags.probe_timeout),
        ("--probe-start-period", &flags.probe_start_period),
    ];
    let Some(probe) = probe else {
        let lone = times.iter().find(|(_, text)| text.is_some()).map(|(flag, _)| *flag);
        return match lone.or(flags.probe_failures.map(|_| "--probe-failures")) {
            Some(flag) => Err(Failure::Wrong(format!("{flag} needs a probe: give --probe too"))),
            None => Ok(()),
        };
    };
    let fields = [&mut probe.interval, &mut probe.timeout, &mut probe.start_period];
    for ((flag, text), field) in times.into_iter().zip(fields) {
        if let Some(text) = text {
            *field = duration(flag, text)?;
        }
    }
    probe.failures = flags.probe_failures.unwrap_or(probe.failures);
    Ok(())
}
