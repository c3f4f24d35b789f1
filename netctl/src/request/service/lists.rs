//! The flags that give a list, or change one.

use std::{fs, net::IpAddr, str::FromStr};

use model::{Constraint, ContainerSpec, Device, GenericResource, Invalid, PortSpec, ServiceSpec, SpreadOver, Ulimit};

use super::{capability::change_capabilities, mount::mount};
use crate::{
    args::{Edit, Edits},
    failure::Failure,
    request::words::labels,
};

/// Changes the lists of a spec, but for what it refers to by name.
pub fn apply(spec: &mut ServiceSpec, edits: &Edits<'_>) -> Result<(), Failure> {
    map(&mut spec.labels, &edits.label)?;
    let placement = &mut spec.placement;
    values::<Constraint>(&mut placement.constraints, &edits.constraint)?;
    preferences(&mut placement.preferences, &edits.placement_pref)?;
    ports(&mut spec.ports, &edits.publish)?;
    container(&mut spec.container, edits)
}

fn container(container: &mut ContainerSpec, edits: &Edits<'_>) -> Result<(), Failure> {
    for file in edits.env_file {
        container.env.extend(environment_file(file)?);
    }
    let env = environment(edits.env.add);
    keyed(&mut container.env, edits.env.rm, env, |text| variable(text).to_owned());
    map(&mut container.labels, &edits.container_label)?;
    map(&mut container.sysctls, &edits.sysctl)?;
    let mounts = edits
        .mount
        .add
        .iter()
        .map(|text| mount(text))
        .collect::<Result<_, _>>()?;
    keyed(&mut container.mounts, edits.mount.rm, mounts, |mount| {
        mount.target.clone()
    });
    values::<IpAddr>(&mut container.dns.nameservers, &edits.dns)?;
    texts(&mut container.dns.options, &edits.dns_option);
    texts(&mut container.dns.search, &edits.dns_search);
    texts(&mut container.groups, &edits.group);
    hosts(&mut container.hosts, &edits.host)?;
    for name in edits.ulimit.rm {
        container.ulimits.remove(name);
    }
    for text in edits.ulimit.add {
        let (name, limit) = ulimit(text)?;
        container.ulimits.insert(name, limit);
    }
    let kind = |resource: &GenericResource| resource.kind().to_owned();
    let added = parse_all::<GenericResource>(edits.generic_resource.add)?;
    keyed(
        &mut container.resources.reservations.generic,
        edits.generic_resource.rm,
        added,
        kind,
    );
    let added = edits.device.add.iter().map(|text| device(text)).collect();
    keyed(&mut container.devices, edits.device.rm, added, |device| {
        device.container.clone()
    });
    change_capabilities(container, edits.cap_add, edits.cap_drop);
    Ok(())
}

/// Takes away what has one of the keys `rm`, then puts `add`, each in the place of what has the same key.
fn keyed<T>(list: &mut Vec<T>, rm: &[String], add: Vec<T>, key: impl Fn(&T) -> String) {
    list.retain(|have| !rm.contains(&key(have)) && !add.iter().any(|new| key(new) == key(have)));
    list.extend(add);
}

fn texts(list: &mut Vec<String>, edit: &Edit<'_>) {
    keyed(list, edit.rm, edit.add.to_vec(), Clone::clone);
}

fn map(map: &mut std::collections::BTreeMap<String, String>, edit: &Edit<'_>) -> Result<(), Failure> {
    map.retain(|key, _| !edit.rm.contains(key));
    map.extend(labels(edit.add)?);
    Ok(())
}

/// Values that are their own key.
fn values<T>(list: &mut Vec<T>, edit: &Edit<'_>) -> Result<(), Failure>
where
    T: FromStr<Err: std::fmt::Display> + PartialEq,
{
    let parse = |text: &String| {
        let value = text.parse::<T>();
        value.map_err(|reason| Failure::Wrong(format!("{reason}: \"{text}\"")))
    };
    let removed: Vec<T> = edit.rm.iter().map(parse).collect::<Result<_, _>>()?;
    list.retain(|have| !removed.contains(have));
    for text in edit.add {
        let new = parse(text)?;
        if !list.contains(&new) {
            list.push(new);
        }
    }
    Ok(())
}

/// Parses every text with the model's parser, whose error names it.
fn parse_all<T: FromStr<Err = Invalid>>(texts: &[String]) -> Result<Vec<T>, Failure> {
    Ok(texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
}

/// `spread=node.labels.NAME`; their order counts, and one may come twice.
fn preferences(list: &mut Vec<SpreadOver>, edit: &Edit<'_>) -> Result<(), Failure> {
    let parse = |text: &String| {
        let over = text
            .strip_prefix("spread=")
            .ok_or_else(|| Invalid::Spread(text.clone()))?;
        over.trim().parse::<SpreadOver>()
    };
    let removed: Vec<_> = edit.rm.iter().map(parse).collect::<Result<_, _>>()?;
    list.retain(|have| !removed.contains(have));
    for text in edit.add {
        list.push(parse(text)?);
    }
    Ok(())
}

/// As docker, a new port displaces none: a target may be published more than once. What is there already stays as it is.
fn ports(ports: &mut Vec<PortSpec>, edit: &Edit<'_>) -> Result<(), Failure> {
    for text in edit.rm {
        for gone in PortSpec::several(text)? {
            let before = ports.len();
            ports.retain(|port| !names(&gone, port));
            if ports.len() == before {
                return Err(Failure::Wrong(format!(
                    "--publish-rm {text}: the service publishes no such port; one in host mode is target={},mode=host",
                    gone.target
                )));
            }
        }
    }
    let there = ports.len();
    for text in edit.add {
        let new = PortSpec::several(text)?.into_iter();
        let new: Vec<_> = new.filter(|new| !ports[..there].contains(new)).collect();
        ports.extend(new);
    }
    Ok(())
}

/// Whether what is to go means this port: without a published port it means each of the target.
fn names(gone: &PortSpec, port: &PortSpec) -> bool {
    let same = (gone.target, gone.protocol, gone.mode) == (port.target, port.protocol, port.mode);
    same && (gone.published.is_none() || gone.published == port.published)
}

/// The name of a `NAME=VALUE`.
fn variable(text: &str) -> &str {
    text.split('=').next().unwrap_or(text)
}

/// `NAME` alone takes its value from the environment of the command line, and is left out if it has none there.
fn environment(texts: &[String]) -> Vec<String> {
    let value = |text: &String| match text.contains('=') {
        true => Some(text.clone()),
        false if text.is_empty() => Some(String::new()),
        false => std::env::var(text).ok().map(|value| format!("{text}={value}")),
    };
    texts.iter().filter_map(value).collect()
}

/// The lines of a file of variables: `NAME=VALUE` or `NAME`; empty lines and such that begin with `#` are left out.
///
/// # Errors
/// The file cannot be read, or a name has a blank in it.
pub fn environment_file(path: &str) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::Wrong(format!("open {path}: {error}")))?;
    let lines = text.lines().map(str::trim_start);
    let lines: Vec<String> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    match lines
        .iter()
        .find(|line| variable(line).contains(char::is_whitespace) || variable(line).is_empty())
    {
        Some(bad) => Err(Failure::Wrong(format!(
            "poorly formatted environment: variable '{bad}' in {path}"
        ))),
        None => Ok(environment(&lines)),
    }
}

/// Docker's `HOST:IP`, kept as lines of `/etc/hosts`.
fn hosts(hosts: &mut Vec<String>, edit: &Edit<'_>) -> Result<(), Failure> {
    let line = |text: &String| match text.split_once(':') {
        Some((name, address)) if !name.is_empty() && address.parse::<IpAddr>().is_ok() => {
            Ok(format!("{address} {name}"))
        }
        _ => Err(Failure::Wrong(format!(
            "bad format for add-host: \"{text}\": use HOST:IP"
        ))),
    };
    hosts.retain(|line| !edit.rm.iter().any(|text| names_host(text, line)));
    let added = edit.add.iter().map(line).collect::<Result<_, _>>()?;
    keyed(hosts, &[], added, Clone::clone);
    Ok(())
}

/// Whether `HOST[:IP]` means this line; without an address it means each of the host.
fn names_host(text: &str, line: &str) -> bool {
    let (address, host) = line.split_once(' ').unwrap_or_default();
    match text.split_once(':') {
        Some(pair) => pair == (host, address),
        None => text == host,
    }
}

/// `NAME=SOFT[:HARD]`; one number is both.
fn ulimit(text: &str) -> Result<(String, Ulimit), Failure> {
    let invalid = || Failure::Wrong(format!("invalid ulimit argument: {text}: use NAME=SOFT[:HARD]"));
    let (name, values) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(invalid)?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let number = |text: &str| {
        text.parse::<i64>()
            .ok()
            .filter(|number| *number >= -1)
            .ok_or_else(invalid)
    };
    let limit = Ulimit {
        soft: number(soft)?,
        hard: number(hard)?,
    };
    Ok((name.to_owned(), limit))
}

/// `HOST[:CONTAINER[:rwm]]`.
fn device(text: &str) -> Device {
    let mut parts = text.splitn(3, ':');
    let host = parts.next().unwrap_or_default();
    Device {
        host: host.to_owned(),
        container: parts.next().unwrap_or(host).to_owned(),
        permissions: parts.next().unwrap_or("rwm").to_owned(),
    }
}
