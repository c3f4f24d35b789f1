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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture;

    #[test]
    fn ports_that_the_engine_publishes_for_others_are_not_captured() {
        let mut view = fixture::view();
        let port = model::PublishedPort {
            published: 8080,
            target: 80,
            protocol: model::Protocol::Tcp,
            mode: model::PublishMode::Ingress,
        };
        view.services = vec![model::ServiceView {
            id: model::ServiceId::from_bits(1),
            name: "web".parse().unwrap(),
            vips: vec![],
            aliases: vec![],
            restart: None,
            canary: None,
            earlier_ports: Vec::new(),
            ports: vec![port],
        }];
        let view = Arc::new(view);
        let untouched = effective(&view, &BTreeSet::new(), &[]);
        assert!(Arc::ptr_eq(&view, &untouched));
        let held = HeldPort {
            port: 8080,
            protocol: model::Protocol::Tcp,
            holder: "container db".to_owned(),
        };
        let seen = effective(&view, &BTreeSet::new(), &[held]);
        assert!(seen.services[0].ports.is_empty());
    }
}
