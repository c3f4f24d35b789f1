//! `info`, `version` and the hidden `datapath dump`.

use serde_json::{Map, Value, json};
use wire::pb;

use crate::{
    args::FormatArgs,
    client::Client,
    failure::Failure,
    render::{Format, info_json, info_text, version_json, version_text},
    terminal::{say, show},
};

fn formatted(args: &FormatArgs, text: impl Fn() -> String, json: impl Fn() -> Value) -> Result<(), Failure> {
    match Format::parse(args.format.as_deref().unwrap_or_default())? {
        Format::Table => show(&text()),
        Format::Json | Format::JsonEach => say(&json().to_string()),
        Format::Template(template) | Format::TableOf(template) => say(&template.fill(&json())?),
    }
    Ok(())
}

/// This node and its cluster.
pub async fn info(client: &mut Client, args: &FormatArgs) -> Result<(), Failure> {
    let info = client.local.info(pb::InfoRequest {}).await?.into_inner();
    formatted(args, || info_text(&info), || info_json(&info))
}

/// Versions; an absent daemon is told after the client's own.
pub async fn version(host: &str, args: &FormatArgs) -> Result<(), Failure> {
    let asked = async {
        let mut client = Client::connect(host).await?;
        Ok::<_, Failure>(client.local.info(pb::InfoRequest {}).await?.into_inner())
    };
    let (server, failure) = match asked.await {
        Ok(info) => (Some(info), None),
        Err(failure) => (None, Some(failure)),
    };
    formatted(args, || version_text(server.as_ref()), || version_json(server.as_ref()))?;
    failure.map_or(Ok(()), Err)
}

/// Counts of what the kernel has on this node, a line each: `map FRONTEND 3`.
pub async fn datapath(client: &mut Client, args: &FormatArgs) -> Result<(), Failure> {
    let answer = client
        .local
        .dump_datapath(pb::DumpDatapathRequest {})
        .await?
        .into_inner();
    let lines = || {
        answer
            .counts
            .iter()
            .map(|c| format!("{} {}\n", c.name, c.value))
            .collect()
    };
    let object = || {
        let pairs = answer.counts.iter().map(|c| (c.name.clone(), json!(c.value)));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    formatted(args, lines, object)
}
