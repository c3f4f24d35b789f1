//! From a Compose file to what is to exist.

mod container;
mod deploy;
mod network;

use std::{collections::BTreeMap, fs, path::Path};

use model::{Name, NameKind, NetworkSpec, PayloadKind, PortSpec, ServiceSpec};
use wire::pb;

use self::{
    container::container,
    deploy::deploy,
    network::{attachments, network, networks},
};
use super::{
    NAMESPACE,
    file::{ComposeFile, FileRef, NetworkFile, PayloadFile, PortFile, ServiceFile},
    scalar::Pairs,
    volume,
};
use crate::{failure::Failure, request::refer};

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
        for (name, entry) in declared.iter().filter(|(_, entry)| !entry.external.is_external()) {
            payloads.push(payload(kind, stack, folder, name, entry)?);
        }
    }
    let default = NetworkFile::default();
    let own = file
        .networks
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.as_ref().unwrap_or(&default)));
    let mut networks: Vec<NetworkSpec> = Vec::new();
    for (name, entry) in own.filter(|(_, entry)| !entry.external.is_external()) {
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
        name: file.external.full_name(file.name.as_ref(), stack, name)?,
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
    for entry in &from.ports {
        // Two files may say the same.
        let new = ports(entry)?.into_iter().filter(|port| !spec.ports.contains(port));
        let new: Vec<_> = new.collect();
        spec.ports.extend(new);
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

fn ports(port: &PortFile) -> Result<Vec<PortSpec>, Failure> {
    let text = match port {
        PortFile::Short(text) => text.0.clone(),
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
            format!("target={},protocol={protocol},mode={mode}{published}", target.0)
        }
    };
    Ok(PortSpec::several(&text)?)
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
        let full = file.external.full_name(file.name.as_ref(), stack, source)?;
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

#[cfg(test)]
mod tests;
