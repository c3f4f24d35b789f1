//! The view as network and resolver see it: what the managers said, less what this node knows better. Pure.

use std::{collections::BTreeSet, sync::Arc};

use model::{HeldPort, NodeView, TaskId};

/// `view` without new flows for tasks that are `down` here, and without published ports that another container of the
/// engine holds. Most often that is `view` itself.
pub fn effective(view: &Arc<NodeView>, down: &BTreeSet<TaskId>, held: &[HeldPort]) -> Arc<NodeView> {
    let taken = |port, protocol| held.iter().any(|h| h.port == port && h.protocol == protocol);
    let mut endpoints = view.endpoints.iter();
    let stale = endpoints.any(|e| e.serving && e.node == view.node && down.contains(&e.task));
    let mut ports = view.services.iter().flat_map(|s| &s.ports);
    if !stale && !ports.any(|p| taken(p.published, p.protocol)) {
        return view.clone();
    }
    let mut changed = NodeView::clone(view);
    let node = changed.node;
    let endpoints = changed.endpoints.iter_mut();
    for endpoint in endpoints.filter(|e| e.node == node && down.contains(&e.task)) {
        endpoint.serving = false;
    }
    for service in &mut changed.services {
        service.ports.retain(|p| !taken(p.published, p.protocol));
    }
    Arc::new(changed)
}
