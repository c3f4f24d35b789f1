//! Secrets and configs. Bytes of secrets do not come this far.

use std::fmt::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Payload, PayloadKind, Timestamp};
use serde_json::{Value, json};

use super::{
    fields::Fields,
    natural::natural,
    pretty::map,
    table::{Listing, Row},
    time::ago,
};

/// `secret ls` or `config ls`, by name. Docker shows their ids whole.
pub fn payload_rows(kind: PayloadKind, mut payloads: Vec<Payload>, now: Timestamp) -> Listing {
    payloads.sort_by(|a, b| natural(a.spec.name.as_str(), b.spec.name.as_str()));
    let row = |payload: &Payload| {
        let (id, name) = (payload.id.to_string(), payload.spec.name.as_str());
        let (created, updated) = (ago(payload.created_at, now), ago(payload.updated_at, now));
        let labels = payload.spec.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let fields = vec![
            ("ID", json!(id)),
            ("Name", json!(name)),
            ("Driver", json!("")),
            ("CreatedAt", json!(created)),
            ("UpdatedAt", json!(updated)),
            ("Labels", json!(labels.collect::<Vec<_>>().join(","))),
        ];
        let mut cells = vec![id, name.to_owned(), created, updated];
        if kind == PayloadKind::Secret {
            cells.insert(2, String::new());
        }
        Row { cells, fields }
    };
    Listing {
        headers: match kind {
            PayloadKind::Secret => &["ID", "NAME", "DRIVER", "CREATED", "UPDATED"],
            PayloadKind::Config => &["ID", "NAME", "CREATED", "UPDATED"],
        },
        rows: payloads.iter().map(row).collect(),
    }
}

/// One, in the Engine API's field names.
pub fn payload_json(payload: &Payload) -> Value {
    let templating = payload.spec.templated.then(|| json!({ "Name": "golang" }));
    let data = (payload.kind == PayloadKind::Config).then(|| json!(STANDARD.encode(payload.bytes.as_bytes())));
    let spec = Fields::from(json!({ "Name": payload.spec.name.as_str(), "Labels": payload.spec.labels }))
        .maybe("Templating", templating)
        .maybe("Data", data)
        .value();
    json!({
        "ID": payload.id.to_string(),
        "Version": { "Index": payload.version },
        "CreatedAt": payload.created_at.to_string(),
        "UpdatedAt": payload.updated_at.to_string(),
        "Spec": spec,
        "Generation": payload.generation,
        "Superseded": payload.superseded,
    })
}

/// One, as docker's `--pretty` prints it.
pub fn payload_text(payload: &Payload, now: Timestamp) -> String {
    let mut text = format!("ID:\t\t\t{}\nName:\t\t\t{}\n", payload.id, payload.spec.name);
    map(&mut text, "Labels:", &payload.spec.labels);
    let (created, updated) = (ago(payload.created_at, now), ago(payload.updated_at, now));
    let _ = writeln!(
        text,
        "Created at:            \t{created}\nUpdated at:            \t{updated}"
    );
    if payload.kind == PayloadKind::Config {
        let _ = writeln!(text, "Data:\n{}", String::from_utf8_lossy(payload.bytes.as_bytes()));
    }
    text
}
