//! `secret create|inspect|ls|rm|update` and `config ...`: one code for both.

use std::{fs, io::Read};

use model::{Name, NameKind, PayloadKind};
use wire::pb;

use crate::{
    args::{InspectArgs, ListArgs, PayloadCommand, PayloadCreateArgs, PayloadUpdateArgs, RemoveArgs},
    client::{Client, request_id},
    failure::{Failure, Failures},
    render::{payload_json, payload_rows, payload_text},
    request::{Filter, has_label, labels},
    terminal::{complain, say, show},
};

use super::{fetch, inspect, service::now};

/// Runs the command for secrets or for configs.
pub async fn run(client: &mut Client, kind: PayloadKind, command: PayloadCommand) -> Result<(), Failure> {
    match command {
        PayloadCommand::Create(args) => create(client, kind, args).await,
        PayloadCommand::Inspect(args) => inspect(client, kind, &args).await,
        PayloadCommand::Ls(args) => list(client, kind, &args).await,
        PayloadCommand::Rm(args) => remove(client, kind, &args).await,
        PayloadCommand::Update(args) => update(client, kind, args).await,
    }
}

/// What a file, or standard input, holds. Its size is checked here, so that no large file is sent for nothing.
fn content(kind: PayloadKind, name: &str, path: &str) -> Result<Vec<u8>, Failure> {
    let limit = kind.max_bytes() as u64 + 1;
    let mut bytes = Vec::new();
    let read = match path {
        "-" => std::io::stdin().take(limit).read_to_end(&mut bytes),
        path => fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    read.map_err(|error| Failure::Wrong(format!("error reading content from \"{path}\": {error}")))?;
    if bytes.is_empty() || bytes.len() > kind.max_bytes() {
        return Err(model::Invalid::PayloadSize {
            kind: kind.word(),
            name: name.to_owned(),
            bytes: bytes.len(),
            max: kind.max_bytes(),
        }
        .into());
    }
    Ok(bytes)
}

async fn create(client: &mut Client, kind: PayloadKind, args: PayloadCreateArgs) -> Result<(), Failure> {
    if args.driver.is_some() {
        return Err(Failure::Wrong(
            "--driver: secret drivers are not supported; give the content by file".to_owned(),
        ));
    }
    if args.template_driver.as_deref().is_some_and(|driver| driver != "golang") {
        return Err(Failure::Wrong(
            "--template-driver: only \"golang\" is supported".to_owned(),
        ));
    }
    let name_kind = match kind {
        PayloadKind::Secret => NameKind::Secret,
        PayloadKind::Config => NameKind::Config,
    };
    let name = Name::parse(name_kind, &args.name)?;
    let Some(file) = args.file else {
        return Err(Failure::Wrong(format!(
            "\"netctl {kind} create\" requires a file or \"-\" for standard input"
        )));
    };
    let spec = pb::PayloadSpec {
        name: name.to_string(),
        labels: labels(&args.label)?
            .into_iter()
            .map(|(name, value)| pb::Label { name, value })
            .collect(),
        templated: args.template_driver.is_some(),
    };
    let request = pb::CreatePayloadRequest {
        request: request_id(),
        kind: pb::PayloadKind::from(kind).into(),
        spec: Some(spec),
        data: content(kind, &args.name, &file)?,
    };
    say(&client.control.create_payload(request).await?.into_inner().id);
    Ok(())
}

async fn update(client: &mut Client, kind: PayloadKind, args: PayloadUpdateArgs) -> Result<(), Failure> {
    let request = pb::RotatePayloadRequest {
        request: request_id(),
        kind: pb::PayloadKind::from(kind).into(),
        data: content(kind, &args.name, &args.file)?,
        r#ref: args.name,
    };
    let answer = client.control.rotate_payload(request).await?.into_inner();
    say(&answer.payload.map(|payload| payload.id).unwrap_or_default());
    for service in answer.services {
        complain(&format!("service {service} is being updated"));
    }
    Ok(())
}

async fn list(client: &mut Client, kind: PayloadKind, args: &ListArgs) -> Result<(), Failure> {
    let filter = Filter::parse(&args.filter, &["id", "name", "label"])?;
    let mut payloads = fetch::payloads(client, Some(kind)).await?;
    payloads.retain(|payload| {
        filter.passes(|key, value| match key {
            "id" => payload.id.to_string().starts_with(value),
            "name" => payload.spec.name.as_str().starts_with(value),
            _ => has_label(&payload.spec.labels, value),
        })
    });
    let listing = payload_rows(kind, payloads, now());
    show(&listing.render(args.format.as_deref(), args.quiet)?);
    Ok(())
}

async fn inspect(client: &mut Client, kind: PayloadKind, args: &InspectArgs) -> Result<(), Failure> {
    let (mut found, mut failures) = (Vec::new(), Failures::default());
    for name in &args.names {
        found.extend(failures.note(fetch::payload(client, kind, name).await));
    }
    match args.pretty {
        true => found.iter().for_each(|payload| show(&payload_text(payload, now()))),
        false => {
            let values: Vec<_> = found.iter().map(payload_json).collect();
            inspect::print(&values, args.format.as_deref())?;
        }
    }
    failures.end()
}

async fn remove(client: &mut Client, kind: PayloadKind, args: &RemoveArgs) -> Result<(), Failure> {
    let mut failures = Failures::default();
    for name in &args.names {
        let request = pb::RemovePayloadRequest {
            request: request_id(),
            kind: pb::PayloadKind::from(kind).into(),
            r#ref: name.clone(),
        };
        let outcome = client.control.remove_payload(request).await;
        if failures.note(outcome.map_err(Failure::from)).is_some() {
            say(name);
        }
    }
    failures.end()
}
