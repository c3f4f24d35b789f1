//! One session's place on the board: what its node has, and what it has to be told next. No I/O: the session sends what
//! comes out, one after the other; whatever happens while it cannot send goes into the next one.

use std::collections::BTreeMap;

use model::{Changes, EndpointView, NodeId, NodeView, Row, ServiceId, ServiceView, ViewDelta};

use super::board::{Board, EndpointRow};

/// What a node says that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Sequence number of its view.
    pub seq: u64,
    /// Checksum of its view.
    pub checksum: u64,
}

/// What a node has to be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Update<E: Row = EndpointView> {
    /// Everything.
    Whole(NodeView),
    /// What changed since the last update, or since the view that it had.
    Delta(ViewDelta<E>),
}

/// How what a node says that it has compares with what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same.
    Same,
    /// It has not taken in everything yet: there is nothing to compare.
    Behind,
    /// Something else: it needs everything anew.
    Drifted {
        /// Checksum of what it was told.
        want: u64,
    },
}

#[derive(Clone, Debug)]
struct Told {
    /// What the node has after the last update.
    known: Known,
    /// Up to where the board was read; what came after `known.seq` was not for this node.
    read: u64,
    /// Digests of the services that it has.
    services: BTreeMap<ServiceId, u64>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Feed {
    node: NodeId,
    has: Option<Known>,
    told: Option<Told>,
}

impl Feed {
    /// The feed of a node that begins a session with the view that it `has`.
    pub fn starting(node: NodeId, has: Option<Known>) -> Self {
        Self { node, has, told: None }
    }

    /// The next update is a whole view.
    pub fn restart(&mut self) {
        self.has = None;
        self.told = None;
    }

    /// Nothing was told yet.
    pub fn begins(&self) -> bool {
        self.told.is_none()
    }

    /// What the node has to be told now; `None`: nothing, or it is not part of the cluster.
    pub fn next<E: EndpointRow>(&mut self, board: &Board<E>) -> Option<Update<E>> {
        let update = match self.told.take() {
            None => self.first(board)?,
            Some(told) if told.read == board.seq() => {
                self.told = Some(told);
                return None;
            }
            Some(told) => match board.since(self.node, told.read) {
                Some(delta) => return self.go_on(board, told, delta),
                None => self.whole(board)?,
            },
        };
        Some(update)
    }

    /// The beginning of a session: what the node has may be what it should have, or so old that it gets everything.
    fn first<E: EndpointRow>(&mut self, board: &Board<E>) -> Option<Update<E>> {
        let Some(has) = self.has.take() else {
            return self.whole(board);
        };
        let Some(mut delta) = board.since(self.node, has.seq).filter(|_| has.seq <= board.seq()) else {
            return self.same(board, has).or_else(|| self.whole(board));
        };
        let services: BTreeMap<ServiceId, u64> = board.services_of(self.node).map(|s| (s.id, s.digest())).collect();
        delta.base = has.seq;
        delta.checksum = self.settle(board, delta.seq, services);
        if delta.checksum == has.checksum {
            return Some(Update::Delta(nothing(delta)));
        }
        Some(Update::Delta(delta))
    }

    /// An update without changes, if the node has what it should have. Only sums are compared: after a change of the leader
    /// all nodes ask at once.
    fn same<E: EndpointRow>(&mut self, board: &Board<E>, has: Known) -> Option<Update<E>> {
        board.view().node(self.node)?;
        let services = board.services_of(self.node).map(|s| (s.id, s.digest())).collect();
        if sum(board, self.node, &services) != has.checksum {
            return None;
        }
        let bare = board.head?.view(self.node, board.seq());
        let mut unchanged = nothing(ViewDelta::between(&bare, &bare));
        unchanged.base = has.seq;
        unchanged.checksum = self.settle(board, bare.seq, services);
        Some(Update::Delta(unchanged))
    }

    fn whole<E: EndpointRow>(&mut self, board: &Board<E>) -> Option<Update<E>> {
        let view = board.whole(self.node)?;
        let services = view.services.iter().map(|s| (s.id, s.digest())).collect();
        self.settle(board, view.seq, services);
        Some(Update::Whole(view))
    }

    fn go_on<E: EndpointRow>(&mut self, board: &Board<E>, told: Told, mut delta: ViewDelta<E>) -> Option<Update<E>> {
        let Told { known, services, .. } = told;
        let mut services = services;
        delta.base = known.seq;
        delta.services = news(&mut services, delta.services);
        let checksum = sum(board, self.node, &services);
        if checksum == known.checksum {
            let read = board.seq();
            self.told = Some(Told { known, read, services });
            return None;
        }
        delta.checksum = self.settle(board, delta.seq, services);
        Some(Update::Delta(delta))
    }

    /// Notes what the node has after the update that is about to be sent.
    fn settle<E: EndpointRow>(&mut self, board: &Board<E>, seq: u64, services: BTreeMap<ServiceId, u64>) -> u64 {
        let checksum = sum(board, self.node, &services);
        let (known, read) = (Known { seq, checksum }, board.seq());
        self.told = Some(Told { known, read, services });
        checksum
    }

    /// Compares what the node says that it has.
    pub fn compare(&self, has: Known) -> Verdict {
        match &self.told {
            Some(told) if told.known == has => Verdict::Same,
            Some(told) if told.known.seq == has.seq => Verdict::Drifted {
                want: told.known.checksum,
            },
            _ => Verdict::Behind,
        }
    }
}

fn sum<E: EndpointRow>(board: &Board<E>, node: NodeId, services: &BTreeMap<ServiceId, u64>) -> u64 {
    services
        .values()
        .fold(board.checksum(node), |sum, digest| sum.wrapping_add(*digest))
}

/// The changes that are news to a node with these services; notes them.
fn news(services: &mut BTreeMap<ServiceId, u64>, changes: Changes<ServiceView>) -> Changes<ServiceView> {
    let put = changes
        .put
        .into_iter()
        .filter(|s| services.insert(s.id, s.digest()) != Some(s.digest()));
    let put = put.collect();
    let gone = changes.gone.into_iter().filter(|id| services.remove(id).is_some());
    let gone = gone.collect();
    Changes { put, gone }
}

/// The delta without changes: the node has them already.
fn nothing<F: Row, E: Row>(delta: ViewDelta<F>) -> ViewDelta<E> {
    ViewDelta {
        base: delta.base,
        seq: delta.seq,
        checksum: delta.checksum,
        data_port: delta.data_port,
        container_mtu: delta.container_mtu,
        cleared: Vec::new(),
        peers: Changes::default(),
        networks: Changes::default(),
        tasks: Changes::default(),
        endpoints: Changes::default(),
        services: Changes::default(),
        payloads: Changes::default(),
    }
}

#[cfg(test)]
mod tests;
