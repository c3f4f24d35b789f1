//! What a node is told of the cluster's authority.

use model::{NodeId, NodeTrust};
use store::View;
use wire::pb;

use crate::ca::Authority;

/// Renewals per second that a rotation of the root certificate may cause.
const RENEWALS_PER_SECOND: usize = 50;

/// What the message depends on: making it anew each time would cost a hash per node and change.
type Basis = (u64, Option<NodeTrust>);

/// Remembers what one node was told.
#[derive(Default)]
pub(super) struct Told(Option<Basis>);

impl Told {
    /// What the node has to be told now; `None` if it knows.
    pub(super) fn news(&mut self, view: &View, node: NodeId) -> Option<pb::Trust> {
        let known = view.node_trust(node);
        let version = view.cluster()?.version;
        let same = |(told, trust): &Basis| *told == version && trust.as_ref() == known;
        if self.0.as_ref().is_some_and(same) {
            return None;
        }
        self.0 = Some((version, known.cloned()));
        let authority = Authority::of(view)?;
        match authority.wanted() {
            Ok(wanted) => Some(pb::Trust {
                confirmed: known == Some(&wanted),
                roots_pem: authority.bundle,
                issuer: wanted.issuer,
                spread_ms: spread_ms(view.nodes().count()),
            }),
            Err(why) => {
                tracing::error!(%why, "nodes cannot be told what to trust");
                None
            }
        }
    }
}

fn spread_ms(nodes: usize) -> u32 {
    u32::try_from(nodes * 1000 / RENEWALS_PER_SECOND).unwrap_or(u32::MAX)
}
