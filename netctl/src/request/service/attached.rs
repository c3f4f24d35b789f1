//! What a spec refers to by name: networks, secrets and configs. In the message, not in the model's spec, for the
//! manager knows the ids.

use model::{Invalid, Name, PayloadKind};
use wire::pb;

use crate::{
    args::{Edit, Edits},
    failure::Failure,
};

/// Changes the networks, secrets and configs of a spec.
pub fn apply(spec: &mut pb::ServiceSpec, edits: &Edits<'_>) -> Result<(), Failure> {
    networks(&mut spec.networks, &edits.network)?;
    if let Some(container) = &mut spec.container {
        payloads(&mut container.secrets, &edits.secret, PayloadKind::Secret)?;
        payloads(&mut container.configs, &edits.config, PayloadKind::Config)?;
    }
    Ok(())
}

fn networks(attachments: &mut Vec<pb::NetworkAttachment>, edit: &Edit<'_>) -> Result<(), Failure> {
    attachments.retain(|attachment| !edit.rm.contains(&attachment.network));
    for text in edit.add {
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
        files.retain(|other| other.target != file.target);
        files.push(file);
    }
    Ok(())
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
