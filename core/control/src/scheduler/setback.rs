//! Where tasks of a service have failed lately: such nodes come last, as in Swarm.

use std::{collections::BTreeMap, time::Duration};

use model::{NodeId, Service, Timestamp};
use store::View;

/// Span in which failures count.
const RECENT: Duration = Duration::from_secs(5 * 60);
/// Fewer do not weigh.
const MANY: u32 = 5;

/// The nodes on which many tasks of the service's present spec have failed lately, with how many.
pub(super) fn unlucky_nodes(view: &View, service: &Service, now: Timestamp) -> BTreeMap<NodeId, u32> {
    let mut failures = BTreeMap::new();
    let tasks = view.unlucky_tasks(service.id);
    let tasks = tasks.filter(|task| task.spec_version == service.spec_version);
    for setback in tasks.flat_map(|task| &task.setbacks) {
        if now.since(setback.at) < RECENT {
            *failures.entry(setback.node).or_default() += 1;
        }
    }
    failures.retain(|_, count| *count >= MANY);
    failures
}
