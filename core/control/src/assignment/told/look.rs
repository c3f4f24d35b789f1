//! One node's look at what changed after an index.

use std::collections::BTreeSet;

use model::{
    Changes, NetworkId, NetworkView, NodeId, PayloadId, PayloadView, PeerView, Row, ServiceId, ServiceView, Task,
    TaskId,
};

use super::{
    super::{
        board::{Board, EndpointRow, Room},
        network_view, payload_view, peer,
        topic::Topic,
    },
    of,
};

/// See the module. What is looked up more than once is looked up here.
pub(super) struct Look<'a, E> {
    board: &'a Board<E>,
    node: NodeId,
    since: u64,
    own: Option<&'a Topic<(ServiceId, TaskId)>>,
    payloads: Option<&'a Topic<PayloadId>>,
    local: Option<&'a Topic<NetworkId>>,
    /// What is in the networks that are local, in their order.
    rooms: Vec<(NetworkId, &'a Room<E>)>,
    /// Networks that became local, or stopped being so.
    pub(super) turned: BTreeSet<NetworkId>,
}

impl<'a, E: EndpointRow> Look<'a, E> {
    /// `None`: not all that changed after `since` is known.
    pub(super) fn of(board: &'a Board<E>, node: NodeId, since: u64) -> Option<Self> {
        let local = board.local.get(&node);
        let networks = local.into_iter().flat_map(Topic::keys);
        let look = Self {
            board,
            node,
            since,
            own: board.tasks.get(&node),
            payloads: board.payloads.get(&node),
            local,
            rooms: networks.filter_map(|id| Some((id, board.rooms.get(&id)?))).collect(),
            turned: local.into_iter().flat_map(|topic| topic.since(since)).collect(),
        };
        look.knows().then_some(look)
    }

    fn knows(&self) -> bool {
        let (board, since) = (self.board, self.since);
        let of_all = [
            since >= board.floor,
            board.peers.knows(since),
            board.published.knows(since),
            board.published_networks.knows(since),
            board.services.knows(since),
            board.services_everywhere.knows(since),
        ];
        let of_node = [
            self.own.is_none_or(|topic| topic.knows(since)),
            self.payloads.is_none_or(|topic| topic.knows(since)),
            self.local.is_none_or(|topic| topic.knows(since)),
        ];
        let known = of_all.iter().chain(&of_node).all(|knows| *knows);
        known && self.rooms.iter().all(|(_, room)| room.knows(since))
    }

    fn is_local(&self, network: NetworkId) -> bool {
        self.local.is_some_and(|topic| topic.get(network).is_some())
    }

    pub(super) fn peers(&self) -> Changes<PeerView> {
        let view = self.board.view();
        changes(self.board.peers.since(self.since), |id| view.node(id).and_then(peer))
    }

    pub(super) fn networks(&self) -> Changes<NetworkView> {
        let published = &self.board.published_networks;
        let candidates = self.turned.iter().copied().chain(published.since(self.since));
        changes(candidates, |id| {
            let told = self.is_local(id) || published.get(id).is_some();
            self.board.view.network(id).filter(|_| told).map(network_view)
        })
    }

    pub(super) fn tasks(&self) -> Changes<Task> {
        let candidates = self.own.into_iter().flat_map(|topic| topic.since(self.since));
        changes(candidates.map(|(_, task)| task), |id| {
            let own = |task: &&Task| !task.status.state.is_terminal() && task.node == Some(self.node);
            self.board.view.task(id).filter(own).cloned()
        })
    }

    pub(super) fn payloads(&self) -> Changes<PayloadView> {
        let candidates = self.payloads.into_iter().flat_map(|topic| topic.since(self.since));
        changes(candidates, |id| {
            self.payloads?.get(id)?;
            self.board.view.payload(id).map(payload_view)
        })
    }

    /// There are more of them than of all others together.
    pub(super) fn endpoints(&self) -> Changes<E> {
        let mut changed: Vec<((NetworkId, TaskId), Option<&E>)> = Vec::new();
        for (network, room) in &self.rooms {
            let key = |task| (*network, task);
            // Of a network that became local all that is there, and nothing about what is not.
            if self.turned.contains(network) {
                let rows = room.endpoints.rows();
                changed.extend(rows.map(|(task, row)| (key(task), Some(row))));
            } else {
                let changes = room.endpoints.changes(self.since);
                changed.extend(changes.map(|(task, row)| (key(task), row)));
            }
        }
        changed.extend(self.elsewhere().map(|key| (key, self.published(key))));
        changed.sort_unstable_by_key(|(key, _)| *key);
        let mut changes = Changes::default();
        for (key, row) in changed {
            match row {
                Some(row) => changes.put.push(row.clone()),
                None => changes.gone.push(key),
            }
        }
        changes
    }

    /// Endpoints with published traffic in networks that are not local: those that changed, and all of networks that
    /// stopped being local.
    fn elsewhere(&self) -> impl Iterator<Item = (NetworkId, TaskId)> {
        let published = &self.board.published;
        let left = self.turned.iter().filter(|id| !self.is_local(**id));
        let left = left.flat_map(|network| {
            let (first, last) = of(*network);
            published.range(first, last)
        });
        let changed = published.since(self.since);
        left.chain(changed.filter(|(network, _)| !self.turned.contains(network) && !self.is_local(*network)))
    }

    fn published(&self, (network, task): (NetworkId, TaskId)) -> Option<&'a E> {
        self.board.published.get((network, task))?;
        self.board.rooms.get(&network)?.endpoints.row(task)
    }

    /// Of those that changed, only those are looked at that may be the node's: a cluster changes more than one node has.
    pub(super) fn services(&self) -> Changes<ServiceView> {
        let (board, since) = (self.board, self.since);
        let of_tasks = self.own.into_iter().flat_map(|topic| topic.since(since));
        let changed = |id: &ServiceId| board.services.changed_at(*id).is_some_and(|at| at > since);
        let of_own = self
            .own
            .into_iter()
            .flat_map(|topic| topic.keys().map(|(service, _)| service));
        let of_networks = self.rooms.iter().flat_map(|(_, room)| room.services.since(since));
        let turned = self.turned.iter().filter_map(|id| board.rooms.get(id));
        let in_turned = turned.flat_map(|room| room.services.keys().chain(room.services.since(since)));
        let candidates = (board.services_everywhere.since(since))
            .chain(of_tasks.map(|(service, _)| service))
            .chain(of_own.filter(changed))
            .chain(of_networks)
            .chain(in_turned);
        changes(candidates, |id| board.service(self.node, id))
    }
}

fn changes<R: Row>(keys: impl IntoIterator<Item = R::Key>, row: impl Fn(R::Key) -> Option<R>) -> Changes<R> {
    let mut changes = Changes::default();
    let keys: BTreeSet<R::Key> = keys.into_iter().collect();
    for key in keys {
        match row(key) {
            Some(row) => changes.put.push(row),
            None => changes.gone.push(key),
        }
    }
    changes
}
