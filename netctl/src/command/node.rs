//! `node ls|ps|promote|demote|update`

use model::{NodeSpec, Role};
use wire::pb;

use crate::{
    args::{ListArgs, NodePsArgs, NodeRefs, NodeUpdateArgs},
    client::{Client, request_id},
    failure::{Failure, Failures},
    render::{NodeRows, even_managers, node_rows},
    request::{Filter, has_label, labels},
    terminal::{complain, say, show},
};

use super::{fetch, service::show_tasks};

/// Lists nodes.
pub async fn list(client: &mut Client, args: &ListArgs) -> Result<(), Failure> {
    let keys = ["id", "name", "role", "label", "node.label", "membership"];
    let filter = Filter::parse(&args.filter, &keys)?;
    let mut answer = fetch::nodes(client, None).await?;
    let managers = answer
        .nodes
        .iter()
        .filter(|node| node.spec.role == Role::Manager)
        .count();
    answer.nodes.retain(|node| {
        filter.passes(|key, value| match key {
            "id" => node.id.to_string().starts_with(value),
            "name" => node.hostname().starts_with(value),
            "role" => node.spec.role.word() == value,
            "node.label" => has_label(&node.spec.labels, value),
            "label" => node
                .description
                .as_ref()
                .is_some_and(|d| has_label(&d.engine_labels, value)),
            _ => value == "accepted",
        })
    });
    let of = NodeRows {
        self_id: answer.self_id,
        leader: answer.leader,
        unreachable: answer.unreachable,
        tls_current: answer.tls_current,
    };
    let listing = node_rows(answer.nodes, &of);
    show(&listing.render(args.format.as_deref(), args.quiet)?);
    if let Some(advice) = even_managers(managers) {
        complain(&format!("WARNING: {advice}"));
    }
    Ok(())
}

/// Makes nodes managers.
pub async fn promote(client: &mut Client, args: &NodeRefs) -> Result<(), Failure> {
    let mut failures = Failures::default();
    for name in &args.nodes {
        match failures.note(change_role(client, name, Role::Manager).await) {
            Some(true) => say(&format!("Node {name} promoted to a manager in the swarm.")),
            Some(false) => say(&format!("Node {name} is already a manager.")),
            None => {}
        }
    }
    failures.end()
}

/// Makes managers workers.
pub async fn demote(client: &mut Client, args: &NodeRefs) -> Result<(), Failure> {
    let mut failures = Failures::default();
    for name in &args.nodes {
        match failures.note(change_role(client, name, Role::Worker).await) {
            Some(true) => say(&format!("Manager {name} demoted in the swarm.")),
            Some(false) => say(&format!("Node {name} is already a worker.")),
            None => {}
        }
    }
    failures.end()
}

/// False: it has that role already.
async fn change_role(client: &mut Client, name: &str, role: Role) -> Result<bool, Failure> {
    let node = fetch::nodes(client, Some(name)).await?.nodes.into_iter().next();
    let Some(node) = node.filter(|node| node.spec.role != role) else {
        return Ok(false);
    };
    let request = pb::UpdateNodeRequest {
        request: request_id(),
        r#ref: node.id.to_string(),
        version: node.version,
        spec: Some(NodeSpec { role, ..node.spec }.into()),
    };
    client.control.update_node(request).await?;
    Ok(true)
}

/// Lists the tasks of nodes.
pub async fn tasks(client: &mut Client, args: &NodePsArgs) -> Result<(), Failure> {
    let (mut tasks, mut failures) = (Vec::new(), Failures::default());
    for name in &args.nodes {
        let Some(answer) = failures.note(fetch::nodes(client, Some(name)).await) else {
            continue;
        };
        let nodes = answer.nodes.iter().map(|node| node.id.to_string()).collect();
        let request = pb::ListTasksRequest {
            nodes,
            ..Default::default()
        };
        tasks.extend(fetch::tasks(client, request).await?);
    }
    show_tasks(client, tasks, &args.list, args.no_resolve).await?;
    failures.end()
}

/// Changes what is wished of a node, and prints its name.
pub async fn update(client: &mut Client, args: &NodeUpdateArgs) -> Result<(), Failure> {
    let answer = fetch::nodes(client, Some(&args.node)).await?;
    let Some(node) = answer.nodes.into_iter().next() else {
        return Ok(());
    };
    let mut spec = node.spec;
    if let Some(availability) = args.availability {
        spec.availability = availability.into();
    }
    if let Some(role) = args.role {
        spec.role = role.into();
    }
    spec.labels.retain(|key, _| !args.label_rm.contains(key));
    spec.labels.extend(labels(&args.label_add)?);
    let request = pb::UpdateNodeRequest {
        request: request_id(),
        r#ref: node.id.to_string(),
        version: node.version,
        spec: Some(spec.into()),
    };
    client.control.update_node(request).await?;
    say(&args.node);
    Ok(())
}
