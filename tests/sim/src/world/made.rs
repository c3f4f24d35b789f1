//! A cluster, its nodes and its managers' disks, as they are at the beginning.

use std::{collections::BTreeMap, net::IpAddr};

use manager::raft::{MemoryDisk, Replica, ReplicaError};
use model::{
    Availability, Cluster, ClusterId, ClusterSecrets, ClusterSettings, Node, NodeDescription, NodeId, NodeSpec,
    NodeState, NodeStatus, Role, Timestamp,
};
use protobuf::Message as _;
use raft::eraftpb::{Message, MessageType, Snapshot};
use store::State;

/// Machine number `number`, from 1, as a node that nobody has heard yet.
pub fn node(id: NodeId, number: usize, at: Timestamp) -> Node {
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
            engine_error: String::new(),
            generic_resources: Vec::new(),
            plugins: Vec::new(),
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

pub fn cluster(id: u128, at: Timestamp) -> Cluster {
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
            unlock_key: String::new(),
        },
    }
}

/// The disks of so many managers that have been members of one group for a while: each has taken a snapshot with that
/// membership from a leader of an earlier term.
pub(super) fn disks(managers: u64) -> Result<Vec<MemoryDisk>, ReplicaError> {
    let mut disks = Vec::new();
    for member in 1..=managers {
        let disk = MemoryDisk::of(Replica::<MemoryDisk>::first_member(member)?);
        if managers > 1 {
            let mut replica = Replica::start(disk.clone())?;
            replica.step(&founding(member, managers)?);
            replica.advance()?;
        }
        disks.push(disk);
    }
    Ok(disks)
}

/// The disk of the first of three members.
///
/// # Errors
/// Raft's, if it does not take what they are founded with.
pub fn member_of_three() -> Result<MemoryDisk, ReplicaError> {
    disks(3).map(|mut disks| disks.swap_remove(0))
}

/// A leader's message with an empty state at index 10 of term 5.
fn founding(member: u64, managers: u64) -> Result<Vec<u8>, ReplicaError> {
    let mut state = State::default();
    state.apply_nothing(10);
    let mut snapshot = Snapshot {
        data: state.encode()?.into(),
        ..Snapshot::default()
    };
    let meta = snapshot.mut_metadata();
    (meta.index, meta.term) = (10, 5);
    meta.mut_conf_state().voters = (1..=managers).collect();
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgSnapshot);
    (message.from, message.to, message.term) = (member % managers + 1, member, 5);
    message.set_snapshot(snapshot);
    message
        .write_to_bytes()
        .map_err(|why| ReplicaError::Raft(why.to_string()))
}
