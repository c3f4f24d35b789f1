//! `inspect`, of one kind of object or of any. Prints an array of what was found, then a line for each that was not.

use serde_json::Value;

use crate::{
    args::{InspectAnyArgs, InspectArgs},
    client::Client,
    failure::{Failure, Failures},
    render::{Format, named, network_json, node_json, node_text, service_json, service_text, shown, task_json},
    terminal::{say, show},
};

use super::{fetch, service::now};

/// Prints what was found, as an array or by a format.
pub fn print(found: &[Value], format: Option<&str>) -> Result<(), Failure> {
    lines(found, format)?.iter().for_each(|line| say(line));
    Ok(())
}

/// An array of all, or each by a format.
fn lines(found: &[Value], format: Option<&str>) -> Result<Vec<String>, Failure> {
    let objects = || found.iter().map(shown).collect::<Vec<_>>();
    match Format::parse(format.unwrap_or_default())? {
        Format::Table => Ok(vec![pretty_array(&objects())]),
        Format::Json => Ok(vec![Value::from(objects()).to_string()]),
        Format::JsonEach => Ok(objects().iter().map(Value::to_string).collect()),
        Format::Template(template) | Format::TableOf(template) => {
            found.iter().map(|object| template.fill(&named(object))).collect()
        }
    }
}

/// Indented by four blanks, as docker prints it.
fn pretty_array(found: &[Value]) -> String {
    use serde_json::ser::{PrettyFormatter, Serializer};
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    match serde::Serialize::serialize(found, &mut serializer) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => "[]".into(),
    }
}

/// `service inspect`
pub async fn services(client: &mut Client, args: &InspectArgs) -> Result<(), Failure> {
    let (mut found, mut failures) = (Vec::new(), Failures::default());
    for name in &args.names {
        found.extend(failures.note(fetch::service(client, name).await));
    }
    if args.pretty {
        let names = fetch::network_names(client).await?;
        found
            .iter()
            .for_each(|service| show(&service_text(service, &names, now())));
    } else {
        let prefixes = fetch::prefixes(client).await?;
        let found = found.iter().map(|service| service_json(service, &prefixes));
        print(&found.collect::<Vec<_>>(), args.format.as_deref())?;
    }
    failures.end()
}

/// `network inspect`
pub async fn networks(client: &mut Client, args: &InspectArgs) -> Result<(), Failure> {
    if args.pretty {
        return Err(Failure::Wrong("unknown flag: --pretty".into()));
    }
    let (mut found, mut failures) = (Vec::new(), Failures::default());
    for name in &args.names {
        let network = fetch::network(client, name).await;
        found.extend(failures.note(network).as_ref().map(network_json));
    }
    print(&found, args.format.as_deref())?;
    failures.end()
}

/// `node inspect`
pub async fn nodes(client: &mut Client, args: &InspectArgs) -> Result<(), Failure> {
    let (mut found, mut failures) = (Vec::new(), Failures::default());
    for name in &args.names {
        let answer = fetch::nodes(client, Some(name)).await;
        let Some(answer) = failures.note(answer) else { continue };
        for node in &answer.nodes {
            let tls = answer.tls.get(&node.id.to_string());
            match args.pretty {
                true => show(&node_text(node, &answer.leader, tls)),
                false => found.push(node_json(node, &answer.leader, &answer.unreachable, tls)),
            }
        }
    }
    if !args.pretty {
        print(&found, args.format.as_deref())?;
    }
    failures.end()
}

/// `inspect`: the first kind that has an object of this name, or the one kind asked for.
pub async fn any(client: &mut Client, args: &InspectAnyArgs) -> Result<(), Failure> {
    const KINDS: [&str; 4] = ["service", "network", "node", "task"];
    let wanted = args.r#type.as_deref();
    if let Some(kind) = wanted.filter(|kind| !KINDS.contains(kind)) {
        return Err(Failure::Wrong(format!(
            "\"{kind}\" is not a valid value for --type: use {}",
            KINDS.join(", ")
        )));
    }
    let (mut found, mut failures) = (Vec::new(), Failures::default());
    for name in &args.names {
        let kinds = KINDS
            .into_iter()
            .filter(|kind| wanted.is_none_or(|wanted| wanted == *kind));
        found.extend(failures.note(first_of(client, kinds, wanted, name).await));
    }
    print(&found, args.format.as_deref())?;
    failures.end()
}

async fn first_of(
    client: &mut Client,
    kinds: impl Iterator<Item = &'static str>,
    wanted: Option<&str>,
    name: &str,
) -> Result<Value, Failure> {
    let mut last = None;
    for kind in kinds {
        match of_kind(client, kind, name).await {
            Err(missing @ Failure::Missing { .. }) => last = Some(missing),
            outcome => return outcome,
        }
    }
    let missing = Failure::Missing {
        kind: "object",
        name: name.to_owned(),
    };
    Err(last.filter(|_| wanted.is_some()).unwrap_or(missing))
}

async fn of_kind(client: &mut Client, kind: &str, name: &str) -> Result<Value, Failure> {
    match kind {
        "service" => {
            let service = fetch::service(client, name).await?;
            Ok(service_json(&service, &fetch::prefixes(client).await?))
        }
        "network" => fetch::network(client, name).await.map(|network| network_json(&network)),
        "task" => {
            let task = fetch::task(client, name).await?;
            Ok(task_json(&task, &fetch::prefixes(client).await?))
        }
        _ => {
            let answer = fetch::nodes(client, Some(name)).await?;
            let node = answer.nodes.first().map(|node| {
                let tls = answer.tls.get(&node.id.to_string());
                node_json(node, &answer.leader, &answer.unreachable, tls)
            });
            node.ok_or_else(|| Failure::Missing {
                kind: "node",
                name: name.to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn only_the_word_json_gives_an_array() {
        let found = [
            json!({ "ID": "a", "Kept": null }),
            json!({ "ID": "b", "?NotSet": null }),
        ];
        let lines = |format| super::lines(&found, Some(format)).unwrap();
        assert_eq!(lines("json"), [r#"[{"ID":"a","Kept":null},{"ID":"b"}]"#]);
        for each in ["{{json .}}", "{{ json . }}"] {
            assert_eq!(lines(each), [r#"{"ID":"a","Kept":null}"#, r#"{"ID":"b"}"#], "{each}");
        }
        assert_eq!(lines("{{json .ID}}"), [r#""a""#, r#""b""#]);
    }
}
