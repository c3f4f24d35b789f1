//! What the scheduler knows of each node about one service.

use model::{Service, Timestamp};
use store::View;

use super::{filter::admits, needs::Needs, setback::unlucky_nodes, tree::path};

/// One node, as it is to one service.
#[derive(Clone, Debug)]
pub(crate) struct NodePlace {
    /// Which.
    pub node: model::NodeId,
    /// The values of the preferences' labels, the coarsest first.
    pub path: Vec<String>,
    /// Wanted tasks of the service.
    pub tasks: u32,
    /// Whether it may get one more.
    pub takes: bool,
}

/// All nodes that have tasks of a service or may get some.
pub(crate) fn places(view: &View, service: &Service, now: Timestamp) -> Vec<NodePlace> {
    let (needs, unlucky) = (Needs::of(service), unlucky_nodes(view, service, now));
    let places = view.nodes().map(|node| NodePlace {
        node: node.id,
        path: path(service, node).map(str::to_owned).collect(),
        tasks: view.load_of_service(service.id, node.id),
        takes: !unlucky.contains_key(&node.id) && admits(view, &needs, node),
    });
    places.filter(|place| place.takes || place.tasks > 0).collect()
}
