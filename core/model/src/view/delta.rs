//! What changes a view into a later one, and what tells whether two views are the same.

use thiserror::Error;

use super::{EndpointView, NetworkView, NodeView, PayloadView, PeerView, Row, ServiceView, digest::Digest};
use crate::{NetworkId, Task};

/// Changes of one list: rows that are new or different, and the keys of those that are no more. A key is in one of them
/// at most; both are in the order of keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes<R: Row> {
    /// New or different.
    pub put: Vec<R>,
    /// No more.
    pub gone: Vec<R::Key>,
}

impl<R: Row> Default for Changes<R> {
    fn default() -> Self {
        Self {
            put: Vec::new(),
            gone: Vec::new(),
        }
    }
}

impl<R: Row> Changes<R> {
    /// What makes `new` out of `old`; both in the order of keys.
    pub fn between(old: &[R], new: &[R]) -> Self {
        let mut changes = Self::default();
        let mut before = old.iter().peekable();
        for row in new {
            while let Some(gone) = before.next_if(|old| old.key() < row.key()) {
                changes.gone.push(gone.key());
            }
            if before.next_if(|old| old.key() == row.key()) != Some(row) {
                changes.put.push(row.clone());
            }
        }
        changes.gone.extend(before.map(Row::key));
        changes
    }

    /// Nothing changes.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty()
    }

    /// `rows` with the changes, without those that `dropped` names. A key that is gone already is no error.
    fn apply(&self, rows: &[R], dropped: impl Fn(&R) -> bool) -> Vec<R> {
        let mut changed = Vec::with_capacity(rows.len() + self.put.len());
        let mut put = self.put.iter().peekable();
        for row in rows {
            while let Some(new) = put.next_if(|new| new.key() < row.key()) {
                changed.push(new.clone());
            }
            if let Some(new) = put.next_if(|new| new.key() == row.key()) {
                changed.push(new.clone());
            } else if !dropped(row) && self.gone.binary_search(&row.key()).is_err() {
                changed.push(row.clone());
            }
        }
        changed.extend(put.cloned());
        changed
    }
}

/// What changes the view with number [`ViewDelta::base`] into the one with number [`ViewDelta::seq`]. Endpoints, of which
/// there are most, may be in another form, as `E`.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewDelta<E: Row = EndpointView> {
    /// Sequence number of the view that it changes.
    pub base: u64,
    /// Sequence number of the view that it makes.
    pub seq: u64,
    /// [`NodeView::checksum`] of the view that it makes.
    pub checksum: u64,
    /// UDP port of the tunnels.
    pub data_port: u16,
    /// MTU of containers, bytes.
    pub container_mtu: u16,
    /// Networks of which the view's endpoints are forgotten before the others are taken in.
    pub cleared: Vec<NetworkId>,
    /// Nodes of the cluster.
    pub peers: Changes<PeerView>,
    /// Networks.
    pub networks: Changes<NetworkView>,
    /// The node's own tasks.
    pub tasks: Changes<Task>,
    /// Endpoints.
    pub endpoints: Changes<E>,
    /// Services.
    pub services: Changes<ServiceView>,
    /// Secrets and configs of the node's own tasks.
    pub payloads: Changes<PayloadView>,
}

/// A delta that cannot be applied: a whole view is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// Something in between was missed.
    #[error("the change is of view {base}, this node has view {have}")]
    Gap {
        /// The view that the delta changes.
        base: u64,
        /// The view that is there.
        have: u64,
    },
    /// What comes out is not what the managers have.
    #[error("view {seq} has checksum {found:016x}, the managers' has {want:016x}")]
    Drift {
        /// The view that the delta makes.
        seq: u64,
        /// The managers' checksum of it.
        want: u64,
        /// The one that came out here.
        found: u64,
    },
}

impl ViewDelta {
    /// What makes `new` out of `old`, by comparing them.
    pub fn between(old: &NodeView, new: &NodeView) -> Self {
        Self {
            base: old.seq,
            seq: new.seq,
            checksum: new.checksum(),
            data_port: new.data_port,
            container_mtu: new.container_mtu,
            cleared: Vec::new(),
            peers: Changes::between(&old.peers, &new.peers),
            networks: Changes::between(&old.networks, &new.networks),
            tasks: Changes::between(&old.tasks, &new.tasks),
            endpoints: Changes::between(&old.endpoints, &new.endpoints),
            services: Changes::between(&old.services, &new.services),
            payloads: Changes::between(&old.payloads, &new.payloads),
        }
    }
}

impl<E: Row> ViewDelta<E> {
    /// How many rows it carries, put and gone.
    pub fn rows(&self) -> usize {
        fn count<R: Row>(changes: &Changes<R>) -> usize {
            changes.put.len() + changes.gone.len()
        }
        let own = count(&self.tasks) + count(&self.endpoints) + count(&self.services) + count(&self.payloads);
        own + count(&self.peers) + count(&self.networks) + self.cleared.len()
    }
}

impl NodeView {
    /// The view that `delta` makes out of this one, or why it cannot.
    pub fn apply(&self, delta: &ViewDelta) -> Result<Self, Unfit> {
        let fits = delta.base == self.seq;
        #[cfg(feature = "planted")]
        let fits = fits || planted::is(planted::Bug::DeltaOverGap);
        if !fits {
            let (base, have) = (delta.base, self.seq);
            return Err(Unfit::Gap { base, have });
        }
        let cleared = |endpoint: &EndpointView| delta.cleared.contains(&endpoint.network);
        let changed = Self {
            seq: delta.seq,
            cluster: self.cluster,
            node: self.node,
            data_port: delta.data_port,
            container_mtu: delta.container_mtu,
            peers: delta.peers.apply(&self.peers, |_| false),
            networks: delta.networks.apply(&self.networks, |_| false),
            tasks: delta.tasks.apply(&self.tasks, |_| false),
            endpoints: delta.endpoints.apply(&self.endpoints, cleared),
            services: delta.services.apply(&self.services, |_| false),
            payloads: delta.payloads.apply(&self.payloads, |_| false),
        };
        let (seq, want, found) = (delta.seq, delta.checksum, changed.checksum());
        if found == want {
            Ok(changed)
        } else {
            Err(Unfit::Drift { seq, want, found })
        }
    }

    /// Equal for equal contents, whatever the sequence number: the sum of its rows' digests and of
    /// [`NodeView::head_digest`]. The managers keep such sums per network instead of adding up rows per node.
    pub fn checksum(&self) -> u64 {
        fn sum<R: Row>(rows: &[R]) -> u64 {
            rows.iter().fold(0, |sum, row| sum.wrapping_add(row.digest()))
        }
        [
            sum(&self.peers),
            sum(&self.networks),
            sum(&self.tasks),
            sum(&self.endpoints),
            sum(&self.services),
            sum(&self.payloads),
        ]
        .into_iter()
        .fold(self.head_digest(), u64::wrapping_add)
    }

    /// Digest of what is not in a list, without the sequence number.
    pub fn head_digest(&self) -> u64 {
        let digest = Digest::new(0).id(self.cluster.bits()).id(self.node.bits());
        let digest = digest.number(u64::from(self.data_port));
        digest.number(u64::from(self.container_mtu)).finish()
    }
}
