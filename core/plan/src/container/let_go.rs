//! How long the container of a task that is not wanted any more is kept, so that no request is lost: until the managers say
//! that nobody sends it new connections, and then for what is on its way.

use std::time::Duration;

use model::{DesiredState, NetworkId, NodeView, Task, TaskState, Timestamp};

/// Without the managers' word it is kept for this long: none may be in reach, or a node that is up may not answer.
pub const LONGEST: Duration = Duration::from_secs(5);
/// For connections that are being opened when the last node has acknowledged.
const ON_THEIR_WAY: Duration = Duration::from_millis(200);
/// For clients that keep the addresses that a name has: longer than the resolver's answers may be kept.
const NAMES_KEPT: Duration = Duration::from_millis(1200);

/// What is known of a task that is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetGo {
    /// When this node heard that it is not wanted any more.
    pub since: Timestamp,
    /// When it heard that nobody sends it new connections.
    pub released: Option<Timestamp>,
}

/// When the container of a running task may be asked to end; `None`: at once, for nobody connects to it.
pub fn kept_until(view: &NodeView, task: &Task, let_go: LetGo) -> Option<Timestamp> {
    if task.status.state != TaskState::Running || task.desired < DesiredState::Shutdown {
        // Wanted, or nobody was told to connect to it yet.
        return None;
    }
    let named = task.attachments.iter().any(|a| !is_ingress(view, a.network));
    if !named && !publishes(view, task) {
        return None;
    }
    let rest = if named { NAMES_KEPT } else { ON_THEIR_WAY };
    let latest = let_go.since + LONGEST;
    Some(let_go.released.map_or(latest, |at| latest.min(at + rest)))
}

/// In such a network nobody has a name.
fn is_ingress(view: &NodeView, network: NetworkId) -> bool {
    view.networks.iter().any(|n| n.id == network && n.ingress)
}

/// Of a removed service nobody knows.
fn publishes(view: &NodeView, task: &Task) -> bool {
    let service = view.services.iter().find(|service| service.id == task.service);
    service.is_none_or(|service| !service.ports.is_empty())
}

#[cfg(test)]
mod tests {
    use model::{ServiceId, ServiceView};

    use super::*;
    use crate::container::fixture;

    const SECOND: i64 = 1_000_000_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp(100 * SECOND + ms * 1_000_000)
    }

    /// Without ports.
    fn service(id: ServiceId) -> ServiceView {
        ServiceView {
            id,
            name: "web".parse().unwrap(),
            vips: Vec::new(),
            aliases: Vec::new(),
            ports: Vec::new(),
            restart: None,
            canary: None,
            earlier_ports: Vec::new(),
        }
    }

    #[test]
    fn a_container_is_kept_until_nobody_connects_to_it_any_more() {
        let view = fixture::view();
        let mut task = fixture::task(1);
        task.status.state = TaskState::Running;
        let kept = |view: &NodeView, task: &Task, released| {
            let since = at(0);
            kept_until(view, task, LetGo { since, released })
        };
        assert_eq!(kept(&view, &task, None), None, "it is wanted");
        task.desired = DesiredState::Shutdown;
        assert_eq!(kept(&view, &task, None), Some(at(5000)));
        assert_eq!(kept(&view, &task, Some(at(300))), Some(at(1500)));
        assert_eq!(kept(&view, &task, Some(at(4900))), Some(at(5000)), "the limit holds");
        let mut published = view.clone();
        published.networks.iter_mut().for_each(|network| network.ingress = true);
        assert_eq!(
            kept(&published, &task, Some(at(300))),
            Some(at(500)),
            "nobody knows it by name"
        );
        published.services.push(service(task.service));
        assert_eq!(kept(&published, &task, None), None, "nobody reaches it");
    }
}
