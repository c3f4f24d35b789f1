//! Filters, in Swarm's order. Each that turns nodes away says so in Swarm's words: users and tests read them.

use model::{Availability, Node, NodeState};
use store::View;

use super::{fits_platform, generic, meets_constraints, needs::Needs};

/// Whether a node is there, and no operator keeps new tasks from it.
pub(crate) fn is_admitted(node: &Node) -> bool {
    node.status.state == NodeState::Ready && node.spec.availability == Availability::Active
}

/// Whether its engine answers.
pub(crate) fn has_engine(node: &Node) -> bool {
    node.description.as_ref().is_some_and(|d| d.engine_error.is_empty())
}

/// One reason to turn a node away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Ready,
    Resources,
    Plugins,
    Constraints,
    Platform,
    HostPorts,
    MaxReplicas,
}

impl Filter {
    const ALL: [Self; 7] = [
        Self::Ready,
        Self::Resources,
        Self::Plugins,
        Self::Constraints,
        Self::Platform,
        Self::HostPorts,
        Self::MaxReplicas,
    ];

    fn admits(self, view: &View, needs: &Needs<'_>, node: &Node) -> bool {
        let placement = &needs.service.spec.placement;
        match self {
            Self::Ready => is_admitted(node) && has_engine(node),
            Self::Resources => has_resources(view, needs, node),
            Self::Plugins => has_plugins(needs, node),
            Self::Constraints => meets_constraints(needs.service, node),
            Self::Platform => fits_platform(&placement.platforms, node),
            Self::HostPorts => has_free_ports(view, needs, node),
            Self::MaxReplicas => {
                let limit = placement.max_replicas;
                limit == 0 || view.load_of_service(needs.service.id, node.id) < limit
            }
        }
    }

    fn explain(self, nodes: usize) -> String {
        let nodes = match nodes {
            1 => "1 node".to_owned(),
            _ => format!("{nodes} nodes"),
        };
        match self {
            Self::Ready => format!("{nodes} not available for new tasks"),
            Self::Resources => format!("insufficient resources on {nodes}"),
            Self::Plugins => format!("missing plugin on {nodes}"),
            Self::Constraints => format!("scheduling constraints not satisfied on {nodes}"),
            Self::Platform => format!("unsupported platform on {nodes}"),
            Self::HostPorts => format!("host-mode port already in use on {nodes}"),
            // Swarm does not count these.
            Self::MaxReplicas => "max replicas per node limit exceed".to_owned(),
        }
    }
}

/// Enough is left beside what the tasks on the node have reserved.
fn has_resources(view: &View, needs: &Needs<'_>, node: &Node) -> bool {
    let wish = needs.reservations;
    if wish.nano_cpus == 0 && wish.memory_bytes == 0 && wish.generic.is_empty() {
        return true;
    }
    let Some(machine) = &node.description else { return false };
    let reserved = view.reserved_on(node.id);
    let left = |all: i64, reserved: i64, wish: i64| wish == 0 || all.saturating_sub(reserved) >= wish;
    left(machine.nano_cpus, reserved.nano_cpus, wish.nano_cpus)
        && left(machine.memory_bytes, reserved.memory_bytes, wish.memory_bytes)
        && generic::claim(view, &wish.generic, node).is_some()
}

/// A node that names no driver of a kind is taken at its word that it has all: its engine does not say.
fn has_plugins(needs: &Needs<'_>, node: &Node) -> bool {
    let known = node.description.as_ref().map_or(&[][..], |d| &d.plugins);
    needs.plugins.iter().all(|wanted| {
        let kind = wanted.split_once('/').map_or("", |(kind, _)| kind);
        let is_of_kind = |plugin: &&String| plugin.split_once('/').is_some_and(|(theirs, _)| theirs == kind);
        let mut of_kind = known.iter().filter(is_of_kind).peekable();
        of_kind.peek().is_none() || of_kind.any(|plugin| is_named(plugin, wanted))
    })
}

/// The tag `latest` goes without saying, as with images.
fn is_named(plugin: &str, wanted: &str) -> bool {
    plugin == wanted || plugin.strip_suffix(":latest") == Some(wanted)
}

/// Neither the host nor a task on the node that has not ended holds a port that is to be published there.
fn has_free_ports(view: &View, needs: &Needs<'_>, node: &Node) -> bool {
    let mut ports = needs.host_ports.iter().map(|port| (port.published, port.protocol));
    ports.all(|port| {
        let held = node.description.iter().flat_map(|d| &d.held_ports);
        let by_host = held.into_iter().any(|held| (held.port, held.protocol) == port);
        let by_task = view
            .tasks_on_node(node.id)
            .filter(|task| !task.status.state.is_terminal())
            .flat_map(|task| &task.host_ports)
            .any(|theirs| (theirs.published, theirs.protocol) == port);
        !by_host && !by_task
    })
}

/// Whether a node may take a task.
pub(super) fn admits(view: &View, needs: &Needs<'_>, node: &Node) -> bool {
    Filter::ALL.iter().all(|filter| filter.admits(view, needs, node))
}

/// Why none of `nodes` may: "no suitable node (...)", the filter that turns away most nodes first. Each node counts
/// against the first filter that turns it away.
pub(super) fn explain<'a>(view: &View, needs: &Needs<'_>, nodes: impl Iterator<Item = &'a Node>) -> String {
    let mut turned_away = Filter::ALL.map(|filter| (filter, 0));
    for node in nodes {
        let first = turned_away
            .iter_mut()
            .find(|(filter, _)| !filter.admits(view, needs, node));
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
