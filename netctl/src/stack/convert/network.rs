//! Networks of the stack, and how its services are attached to them.

use model::{Name, NameKind, NetworkSpec};
use wire::pb;

use super::stack_labels;
use crate::{
    failure::Failure,
    stack::file::{AttachmentFile, ComposeFile, IpamFile, NetworkFile, PoolFile, ServiceFile, ServiceNetworks},
};

/// A network that the stack makes.
pub(super) fn network(stack: &str, name: &str, file: &NetworkFile) -> Result<NetworkSpec, Failure> {
    if file.driver.as_deref().is_some_and(|driver| driver != "overlay") {
        return Err(Failure::Wrong(format!(
            "network {name}: only driver overlay is supported"
        )));
    }
    let full = file.external.full_name(file.name.as_ref(), stack, name)?;
    let mut spec = NetworkSpec::named(Name::parse(NameKind::Network, &full)?);
    spec.labels = stack_labels(stack, &file.labels);
    (spec.internal, spec.attachable) = (file.internal, file.attachable);
    let wrong = |text: &str| Failure::Wrong(format!("network {name}: invalid address \"{text}\""));
    if let Some(pool) = file.ipam.as_ref().map_or(Ok(None), |ipam| pool(name, ipam))? {
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

/// The one that a network may have.
fn pool<'a>(network: &str, ipam: &'a IpamFile) -> Result<Option<&'a PoolFile>, Failure> {
    if let Some(driver) = ipam.driver.as_deref().filter(|driver| *driver != "default") {
        return Err(Failure::Wrong(format!(
            "network {network}: invalid ipam driver \"{driver}\": only \"default\" is supported"
        )));
    }
    match ipam.config.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(Failure::Wrong(format!(
            "network {network}: \"ipam: config:\" has {} entries: a network has one subnet, keep one of them",
            several.len()
        ))),
    }
}

fn aliases(file: Option<&AttachmentFile>) -> &[String] {
    file.map_or(&[], |file| &file.aliases)
}

/// The networks that a service names, with its aliases in each.
pub(super) fn attachments(networks: &ServiceNetworks) -> Vec<(&str, &[String])> {
    match networks {
        ServiceNetworks::List(list) => list.iter().map(|name| (name.as_str(), [].as_slice())).collect(),
        ServiceNetworks::Map(map) => map
            .iter()
            .map(|(name, file)| (name.as_str(), aliases(file.as_ref())))
            .collect(),
    }
}

/// With the service's short name as alias in each, as docker does.
pub(super) fn networks(
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
        let default = NetworkFile::default();
        let declared = declared.and_then(Option::as_ref).unwrap_or(&default);
        let full = declared.external.full_name(declared.name.as_ref(), stack, network)?;
        let mut all = vec![name.to_owned()];
        all.extend(aliases.iter().filter(|alias| *alias != name).cloned());
        Ok(pb::NetworkAttachment {
            network: full,
            aliases: all,
        })
    };
    joined.into_iter().map(attach).collect()
}
