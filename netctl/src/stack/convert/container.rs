//! What runs in a service's containers.

use std::path::Path;

use model::{Driver, HealthCheck, HealthTest, ServiceSpec, Ulimit};

use crate::{
    failure::Failure,
    request::{change_capabilities, duration, environment_file, split_command},
    stack::{
        file::{HealthFile, ServiceFile, UlimitFile},
        scalar::Words,
    },
};

fn words(words: Option<&Words>) -> Result<Vec<String>, Failure> {
    match words {
        None => Ok(Vec::new()),
        Some(Words::Line(line)) => split_command(line),
        Some(Words::List(list)) => Ok(list.clone()),
    }
}

/// Sets it as the file says; paths of the file are relative to `folder`.
pub(super) fn container(spec: &mut ServiceSpec, folder: &Path, from: &ServiceFile) -> Result<(), Failure> {
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
    change_capabilities(container, &from.cap_add, &from.cap_drop);
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
        .0
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
