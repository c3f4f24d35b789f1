//! A cluster and its nodes, as they are at the beginning.

use std::{collections::BTreeMap, net::IpAddr};

use model::{
    Availability, Cluster, ClusterId, ClusterSecrets, ClusterSettings, Node, NodeDescription, NodeId, NodeSpec,
    NodeState, NodeStatus, Role, Timestamp,
};

/// Machine number `number`, from 1, as a node that nobody has heard yet.
pub(super) fn node(id: NodeId, number: usize, at: Timestamp) -> Node {
    let addr = IpAddr::from([192, 168, (number >> 8) as u8, number as u8]);
    Node {
        id,
        version: 0,
        created_at: at,
        updated_at: at,
        spec: NodeSpec {
            role: Role::Worker,
            availability: Availability::Active,
            labels: BTreeMap::new(),
        },
        description: Some(NodeDescription {
            hostname: format!("n{number}"),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            engine_version: "1".to_owned(),
            engine_labels: BTreeMap::new(),
            nano_cpus: 1,
            memory_bytes: 1,
            vtep: addr,
            underlay_mtu: 1500,
            taken_prefixes: Vec::new(),
            held_ports: Vec::new(),
        }),
        status: NodeStatus {
            state: NodeState::Unknown,
            message: String::new(),
            addr,
        },
        manager_addr: None,
        raft_id: None,
    }
}

pub(super) fn cluster(id: u128, at: Timestamp) -> Cluster {
    Cluster {
        id: ClusterId::from_bits(id),
        version: 0,
        created_at: at,
        settings: ClusterSettings::default(),
        root_ca: String::new(),
        secrets: ClusterSecrets {
            worker_token: String::new(),
            manager_token: String::new(),
            root_ca_key: String::new(),
        },
    }
}
