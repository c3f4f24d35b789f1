//! Filters, in Swarm's order. Each that turns nodes away says so in Swarm's words: users and tests read them.

use model::{Availability, Node, NodeState, Protocol, PublishMode, Service};
use store::View;

use super::{fits_platform, meets_constraints};

/// One reason to turn a node away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Ready,
    Constraints,
    Platform,
    HostPorts,
}

impl Filter {
    const ALL: [Self; 4] = [Self::Ready, Self::Constraints, Self::Platform, Self::HostPorts];

    fn admits(self, view: &View, service: &Service, node: &Node) -> bool {
        match self {
            Self::Ready => {
                let answers = node.description.as_ref().is_some_and(|d| d.engine_error.is_empty());
                node.status.state == NodeState::Ready && answers && node.spec.availability == Availability::Active
            }
            Self::Constraints => meets_constraints(service, node),
            Self::Platform => fits_platform(&service.spec.placement.platforms, node),
            Self::HostPorts => has_free_ports(view, service, node),
        }
    }

    fn explain(self, nodes: usize) -> String {
        match (self, nodes) {
            (Self::Ready, 1) => "1 node not available for new tasks".to_owned(),
            (Self::Ready, _) => format!("{nodes} nodes not available for new tasks"),
            (Self::Constraints, 1) => "scheduling constraints not satisfied on 1 node".to_owned(),
            (Self::Constraints, _) => format!("scheduling constraints not satisfied on {nodes} nodes"),
            (Self::Platform, 1) => "unsupported platform on 1 node".to_owned(),
            (Self::Platform, _) => format!("unsupported platform on {nodes} nodes"),
            (Self::HostPorts, 1) => "host-mode port already in use on 1 node".to_owned(),
            (Self::HostPorts, _) => format!("host-mode port already in use on {nodes} nodes"),
        }
    }
}

fn host_ports(service: &Service) -> impl Iterator<Item = (u16, Protocol)> {
    let host = service.ports.iter().filter(|port| port.mode == PublishMode::Host);
    host.map(|port| (port.published, port.protocol))
}

/// Neither the host nor a task on the node that has not ended holds a port that `service` publishes in host mode.
fn has_free_ports(view: &View, service: &Service, node: &Node) -> bool {
    host_ports(service).all(|port| {
        let held = node.description.iter().flat_map(|d| &d.held_ports);
        let by_host = held.into_iter().any(|held| (held.port, held.protocol) == port);
        let publishes = |other: &Service| host_ports(other).any(|theirs| theirs == port);
        let by_task = view
            .tasks_on_node(node.id)
            .filter(|task| !task.status.state.is_terminal())
            .any(|task| view.service(task.service).is_some_and(publishes));
        !by_host && !by_task
    })
}

/// Whether a node may take a task of `service`.
pub(super) fn admits(view: &View, service: &Service, node: &Node) -> bool {
    Filter::ALL.iter().all(|filter| filter.admits(view, service, node))
}

/// Why none of `nodes` may: "no suitable node (...)", the filter that turns away most nodes first. Each node counts
/// against the first filter that turns it away.
pub(super) fn explain<'a>(view: &View, service: &Service, nodes: impl Iterator<Item = &'a Node>) -> String {
    let mut turned_away = Filter::ALL.map(|filter| (filter, 0));
    for node in nodes {
        let first = turned_away
            .iter_mut()
            .find(|(filter, _)| !filter.admits(view, service, node));
        if let Some((_, count)) = first {
            *count += 1;
        }
    }
    turned_away.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let reasons = turned_away.into_iter().filter(|(_, count)| *count > 0);
    let texts: Vec<String> = reasons.map(|(filter, count)| filter.explain(count)).collect();
    if texts.is_empty() {
        return "no suitable node".to_owned();
    }
    format!("no suitable node ({})", texts.join("; "))
}
