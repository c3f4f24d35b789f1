//! The view as network and resolver see it: what the managers said, less what this node knows better. Pure.

use std::{collections::BTreeSet, sync::Arc};

use model::{NodeView, TaskId};

/// `view` without new flows for tasks that are `down` here. Most often that is `view` itself.
pub fn effective(view: &Arc<NodeView>, down: &BTreeSet<TaskId>) -> Arc<NodeView> {
    let mut endpoints = view.endpoints.iter();
    if !endpoints.any(|e| e.serving && e.node == view.node && down.contains(&e.task)) {
        return view.clone();
    }
    let mut changed = NodeView::clone(view);
    let node = changed.node;
    let endpoints = changed.endpoints.iter_mut();
    for endpoint in endpoints.filter(|e| e.node == node && down.contains(&e.task)) {
        endpoint.serving = false;
    }
    Arc::new(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture;

    #[test]
    fn a_view_that_is_right_stays_the_same_value() {
        let view = Arc::new(fixture::view());
        assert!(Arc::ptr_eq(&view, &effective(&view, &BTreeSet::new())));
    }
}
