//! What a new cluster begins with: its authority, its tokens, its first node.

use model::{Cluster, ClusterId, ClusterSecrets, Node, NodeId, NodeSpec, NodeState, NodeStatus, Role, Timestamp};

use peer::Subject;
use seal::UnlockKey;

use crate::{
    ca::{self, CaError, Root},
    certify,
    config::{InitParams, ManagerConfig, NodeCredentials},
    mint, token,
};

/// Raft id of a cluster's first member.
pub(crate) const FIRST_MEMBER: u64 = 1;

/// The cluster, and the credentials of its first node.
pub(crate) fn found_cluster(init: &InitParams) -> Result<(Cluster, NodeCredentials), CaError> {
    let now = mint::now();
    let root = match &init.root {
        None => Root::create(now)?,
        Some(given) => {
            let root = ca::check_given(given.clone().into(), now, init.settings.cert_expiry)?;
            ca::probe(&root, None, now)?;
            root
        }
    };
    let digest = root.digest()?;
    let subject = Subject {
        node: NodeId::from_bits(mint::bits()),
        role: Role::Manager,
        cluster: ClusterId::from_bits(mint::bits()),
    };
    let sign = |csr: &str| root.sign(csr, subject, now, init.settings.cert_expiry);
    let credentials = certify::fresh(subject, root.certificate_pem.clone(), sign)?;
    let cluster = Cluster {
        id: subject.cluster,
        version: 0,
        created_at: now,
        settings: init.settings.clone(),
        root_ca: root.certificate_pem,
        secrets: ClusterSecrets {
            worker_token: token::fresh(digest).to_string(),
            manager_token: token::fresh(digest).to_string(),
            root_ca_key: root.key_pem,
            unlock_key: match init.settings.autolock {
                true => UnlockKey::fresh().to_string(),
                false => String::new(),
            },
        },
    };
    Ok((cluster, credentials))
}

/// A node that is a manager from the start, with this raft id.
pub(crate) fn manager_node(
    config: &ManagerConfig,
    init: &InitParams,
    at: Timestamp,
    (id, raft_id): (NodeId, u64),
) -> Node {
    Node {
        id,
        version: 0,
        created_at: at,
        updated_at: at,
        spec: NodeSpec {
            role: Role::Manager,
            availability: init.availability,
            labels: std::collections::BTreeMap::new(),
        },
        description: init.description.clone(),
        status: NodeStatus {
            state: NodeState::Unknown,
            message: String::new(),
            addr: config.node_addr(),
        },
        manager_addr: Some(config.advertise_addr),
        raft_id: Some(raft_id),
    }
}
