//! What a spec refers to by name: networks, secrets and configs. In the message, not in the model's spec, for the
//! manager knows the ids.

use std::collections::BTreeMap;

use model::{Invalid, Name, NetworkAttachment, NetworkId, PayloadKind};
use wire::pb;

use crate::{
    args::{Edit, Edits},
    failure::Failure,
};

/// Changes the networks, secrets and configs of a spec, but for the networks that it leaves.
pub fn apply(spec: &mut pb::ServiceSpec, edits: &Edits<'_>) -> Result<(), Failure> {
    attach(&mut spec.networks, edits.network.add)?;
    if let Some(container) = &mut spec.container {
        payloads(&mut container.secrets, &edits.secret, PayloadKind::Secret)?;
        payloads(&mut container.configs, &edits.config, PayloadKind::Config)?;
    }
    Ok(())
}

/// Takes a service off networks, each called by its name, its id or the beginning of that; `names` are those of all
/// networks.
pub fn detach(
    attachments: &mut Vec<NetworkAttachment>,
    texts: &[String],
    names: &BTreeMap<NetworkId, String>,
) -> Result<(), Failure> {
    let gone = texts.iter().map(|text| joined(attachments, text, names));
    let gone: Vec<NetworkId> = gone.collect::<Result<_, _>>()?;
    attachments.retain(|attachment| !gone.contains(&attachment.network));
    Ok(())
}

/// Which of the service's networks is meant.
fn joined(
    attachments: &[NetworkAttachment],
    text: &str,
    names: &BTreeMap<NetworkId, String>,
) -> Result<NetworkId, Failure> {
    let ids = || attachments.iter().map(|attachment| attachment.network);
    let name = |id: NetworkId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
    if let Some(id) = ids().find(|id| name(*id) == text || id.to_string() == text) {
        return Ok(id);
    }
    let mut begun = ids().filter(|id| !text.is_empty() && id.to_string().starts_with(text));
    let why = match (begun.next(), begun.next()) {
        (Some(id), None) => return Ok(id),
        (Some(_), Some(_)) => {
            "several networks of the service have ids that begin so: give more of it, or a name".into()
        }
        (None, _) => match ids().map(name).collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "the service is attached to no network".to_owned(),
            all => format!("the service is not attached to it, but to {all}"),
        },
    };
    Err(Failure::Wrong(format!("--network-rm {text}: {why}")))
}

fn attach(attachments: &mut Vec<pb::NetworkAttachment>, texts: &[String]) -> Result<(), Failure> {
    for text in texts {
        let attachment = network(text)?;
        if attachments.iter().any(|other| other.network == attachment.network) {
            return Err(Invalid::NetworkTwice(attachment.network).into());
        }
        attachments.push(attachment);
    }
    Ok(())
}

/// Docker's short form `NETWORK` and long form `name=NETWORK,alias=NAME,alias=NAME`.
fn network(text: &str) -> Result<pb::NetworkAttachment, Failure> {
    let invalid = || {
        Failure::Wrong(format!(
            "invalid network \"{text}\": use NETWORK or name=NETWORK,alias=NAME"
        ))
    };
    let mut attachment = pb::NetworkAttachment::default();
    if !text.contains('=') {
        attachment.network = text.to_owned();
    }
    for part in text.split(',').filter(|_| text.contains('=')) {
        match part.split_once('=') {
            Some(("name", name)) => attachment.network = name.to_owned(),
            Some(("alias", alias)) => attachment.aliases.push(alias.parse::<Name>()?.into()),
            Some(("driver-opt", _)) => {
                return Err(Failure::Wrong(
                    "--network driver-opt: networks of netctl have no options for single endpoints".to_owned(),
                ));
            }
            _ => return Err(invalid()),
        }
    }
    match attachment.network.is_empty() {
        true => Err(invalid()),
        false => Ok(attachment),
    }
}

fn payloads(files: &mut Vec<pb::PayloadRef>, edit: &Edit<'_>, kind: PayloadKind) -> Result<(), Failure> {
    files.retain(|file| !edit.rm.contains(&file.name));
    for text in edit.add {
        let file = payload_file(text, kind)?;
        let place = path(&file, kind);
        let (there, others): (Vec<_>, Vec<_>) = files.drain(..).partition(|other| path(other, kind) == place);
        if let Some(other) = there.iter().find(|other| other.name != file.name) {
            return Err(Failure::Wrong(format!(
                "{kind}s {} and {} are both to be at {place}: give one of them another place with source=,target=, or \
                 take it away with --{kind}-rm",
                other.name, file.name
            )));
        }
        *files = others;
        files.push(file);
    }
    Ok(())
}

/// Where the file is in the container.
fn path(file: &pb::PayloadRef, kind: PayloadKind) -> String {
    match file.target.starts_with('/') {
        true => file.target.clone(),
        false => format!("{}{}", kind.folder(), file.target),
    }
}

/// A file under the name of the secret or config `name`, owned by root and readable by all.
pub fn refer(name: &str) -> pb::PayloadRef {
    pb::PayloadRef {
        id: String::new(),
        name: name.to_owned(),
        target: name.to_owned(),
        uid: "0".to_owned(),
        gid: "0".to_owned(),
        mode: 0o444,
    }
}

/// Docker's short form `NAME` and long form `source=NAME,target=PATH,uid=,gid=,mode=`.
pub fn payload_file(text: &str, kind: PayloadKind) -> Result<pb::PayloadRef, Failure> {
    if !text.contains('=') {
        return Ok(refer(text));
    }
    let invalid = |part: &str| {
        let forms = "use NAME or source=,target=,uid=,gid=,mode=";
        Failure::Wrong(format!(
            "invalid argument \"{text}\" for \"--{kind}\" flag: \"{part}\": {forms}"
        ))
    };
    let mut file = refer("");
    for part in text.split(',') {
        match part.split_once('=').ok_or_else(|| invalid(part))? {
            ("source" | "src", name) => name.clone_into(&mut file.name),
            ("target", path) => path.clone_into(&mut file.target),
            ("uid", uid) => uid.clone_into(&mut file.uid),
            ("gid", gid) => gid.clone_into(&mut file.gid),
            ("mode", mode) => file.mode = u32::from_str_radix(mode, 8).map_err(|_| invalid(part))?,
            _ => return Err(invalid(part)),
        }
    }
    if file.name.is_empty() {
        return Err(invalid("no source"));
    }
    if file.target.is_empty() {
        file.target.clone_from(&file.name);
    }
    Ok(file)
}
