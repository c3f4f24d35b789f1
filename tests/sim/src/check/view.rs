//! What must hold in the view of a node that is sent.

use std::collections::BTreeSet;

use control::node_view;
use model::{DesiredState, NodeId, NodeState, NodeView, PayloadId, PayloadView, Row, TaskState};
use store::State;

use super::Checked;

/// In the view of a node, whole or made out of changes: it is the one of the state at its index.
pub fn view(state: &State, node: NodeId, view: &NodeView) -> Checked {
    ensure!(
        node == view.node,
        "node {node} is told what node {} should have, not its own",
        view.node
    );
    let foreign = view.tasks.iter().find(|task| task.node != Some(node));
    if let Some(task) = foreign {
        return Err(format!("node {node} is told of {}, which is not its own", task.name()));
    }
    let peers: BTreeSet<_> = view.peers.iter().map(|peer| peer.node).collect();
    for endpoint in &view.endpoints {
        let task = state.task(endpoint.task).ok_or("an endpoint without a task")?;
        let up = state
            .node(endpoint.node)
            .is_some_and(|node| node.status.state != NodeState::Down);
        let runs = task.status.state == TaskState::Running && task.desired == DesiredState::Running;
        ensure!(
            !endpoint.serving || (runs && up),
            "{} serves but does not run",
            task.name()
        );
        ensure!(
            endpoint.serving || !(runs && up),
            "{} runs but does not serve",
            task.name()
        );
        ensure!(
            !endpoint.serving || peers.contains(&endpoint.node),
            "{} serves on an unknown node",
            task.name()
        );
        ensure!(
            view.networks.iter().any(|n| n.id == endpoint.network),
            "an endpoint in an unknown network"
        );
    }
    let services: BTreeSet<_> = view.services.iter().map(|service| service.id).collect();
    for task in view.tasks.iter().filter(|task| state.service(task.service).is_some()) {
        ensure!(
            services.contains(&task.service),
            "the service of {} is missing",
            task.name()
        );
        for a in task.attachments.iter().filter(|a| state.network(a.network).is_some()) {
            let told = view
                .endpoints
                .iter()
                .any(|e| (e.task, e.network) == (task.id, a.network));
            ensure!(told, "the endpoint {} of {} is missing", a.addr, task.name());
        }
    }
    payloads(state, view)?;
    let want = node_view(state, node, view.seq);
    ensure!(
        want.as_ref() == Some(view),
        "node {node} has a view of no state: {}",
        difference(want.as_ref(), view)
    );
    Ok(())
}

/// A node is told the secrets and configs of the tasks that are assigned to it, and no others. Found without what makes
/// the view.
fn payloads(state: &State, view: &NodeView) -> Checked {
    let assigned = state.tasks().filter(|task| task.node == Some(view.node));
    let open = assigned.filter(|task| !task.status.state.is_terminal());
    let files = open.flat_map(|task| {
        let container = &task.container;
        container.secrets.iter().chain(&container.configs).map(|file| file.id)
    });
    let may: BTreeSet<PayloadId> = files.filter(|id| state.payload(*id).is_some()).collect();
    let told: BTreeSet<PayloadId> = view.payloads.iter().map(|payload| payload.id).collect();
    let leaked: Vec<_> = told.difference(&may).collect();
    ensure!(
        leaked.is_empty(),
        "node {} is told payloads of others: {leaked:?}",
        view.node
    );
    let missing: Vec<_> = may.difference(&told).collect();
    ensure!(missing.is_empty(), "node {} is not told {missing:?}", view.node);
    let altered = |told: &&PayloadView| state.payload(told.id).is_some_and(|has| has.bytes != told.bytes);
    let altered = view.payloads.iter().find(altered).map(|told| told.id);
    ensure!(altered.is_none(), "node {} has other bytes of {altered:?}", view.node);
    Ok(())
}

/// What is missing in a view, and what is too much, for whoever reads of a failure.
fn difference(want: Option<&NodeView>, have: &NodeView) -> String {
    fn lines(view: &NodeView) -> BTreeSet<String> {
        let head = format!("port {}, MTU {}", view.data_port, view.container_mtu);
        let peers = view.peers.iter().map(|row| format!("{row:?}"));
        let networks = view.networks.iter().map(|row| format!("{row:?}"));
        let tasks = view
            .tasks
            .iter()
            .map(|row| format!("task {} version {}", row.name(), row.version));
        let endpoints = view.endpoints.iter().map(|row| format!("{row:?}"));
        let services = view.services.iter().map(|row| format!("{row:?}"));
        // Its bytes are shown as their length, and must not be seen.
        let payloads = view
            .payloads
            .iter()
            .map(|row| format!("{row:?} of digest {:x}", row.digest()));
        let rows = peers.chain(networks).chain(tasks).chain(endpoints).chain(services);
        rows.chain(payloads).chain([head]).collect()
    }
    let (want, have) = (want.map(lines).unwrap_or_default(), lines(have));
    let missing: Vec<_> = want.difference(&have).collect();
    let surplus: Vec<_> = have.difference(&want).collect();
    format!("missing {missing:?}, too much {surplus:?}")
}
