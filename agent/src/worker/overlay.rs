//! The view as network and resolver see it: what the managers said, less what this node knows better. Pure.

use std::sync::Arc;

use model::{HeldPort, NodeView};

use super::Statuses;

/// `view` without new flows for tasks that have ended here, and without published ports that another container of the
/// engine holds. Most often that is `view` itself.
pub fn effective(view: &Arc<NodeView>, statuses: &Statuses, held: &[HeldPort]) -> Arc<NodeView> {
    let ended = |task| statuses.get(&task).is_some_and(|status| status.state.is_terminal());
    let taken = |port, protocol| held.iter().any(|h| h.port == port && h.protocol == protocol);
    let stale = view
        .endpoints
        .iter()
        .any(|e| e.serving && e.node == view.node && ended(e.task));
    let mut ports = view.services.iter().flat_map(|s| &s.ports);
    if !stale && !ports.any(|p| taken(p.published, p.protocol)) {
        return view.clone();
    }
    let mut changed = NodeView::clone(view);
    let node = changed.node;
    for endpoint in changed.endpoints.iter_mut().filter(|e| e.node == node && ended(e.task)) {
        endpoint.serving = false;
    }
    for service in &mut changed.services {
        service.ports.retain(|p| !taken(p.published, p.protocol));
    }
    Arc::new(changed)
}
