//! A cluster, its nodes and its managers' disks, as they are at the beginning.

use std::{collections::BTreeMap, net::IpAddr};

use control::plan_init;
use manager::raft::{Disk as _, MemoryDisk, Replica, ReplicaError, Saved};
use model::{
    Availability, Cluster, ClusterId, ClusterSecrets, ClusterSettings, NetworkId, Node, NodeDescription, NodeId,
    NodeSpec, NodeState, NodeStatus, RequestId, Role, Timestamp,
};
use protobuf::Message as _;
use raft::eraftpb::{Message, MessageType, Snapshot};
use store::{Command, Entry, State};

/// Index and term of the snapshot that a run begins with.
const FOUNDED: (u64, u64) = (10, 5);

/// Machine number `number`, from 1, as a node that nobody has heard yet.
pub fn node(id: NodeId, number: usize, role: Role, at: Timestamp) -> Node {
    let addr = IpAddr::from([192, 168, (number >> 8) as u8, number as u8]);
    Node {
        id,
        version: 0,
        created_at: at,
        updated_at: at,
        spec: NodeSpec {
            role,
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
        manager_addr: Some((addr, 2377).into()),
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

/// A cluster of these nodes, all of them managers that have been members of one group for a while.
pub(super) fn founding(cluster: Cluster, ingress: NetworkId, mut nodes: Vec<Node>) -> Result<State, String> {
    let mut state = State::default();
    for (member, node) in (1..).zip(&mut nodes) {
        node.raft_id = Some(member);
    }
    let first = nodes.first().cloned().ok_or("a cluster without nodes")?;
    let init = plan_init(&state, cluster, first, ingress).map_err(|e| e.to_string())?;
    let others = nodes
        .into_iter()
        .skip(1)
        .map(|node| Command::UpsertNode(Box::new(node)));
    let entry = Entry {
        request: RequestId::from_bits(1),
        command: Command::Batch([init].into_iter().chain(others).collect()),
    };
    state.apply(FOUNDED.0, entry).map_err(|e| e.to_string())?;
    Ok(state)
}

/// What the disks of the members of such a state hold: each has taken it as a snapshot from a leader of an earlier term.
pub(super) fn disks(state: &State) -> Result<Vec<Saved>, ReplicaError> {
    let members = 1..=state.highest_raft_id();
    let disk = |member| {
        let mut disk = MemoryDisk::of(Replica::<MemoryDisk>::new_member(member));
        let mut replica = Replica::start(disk.clone())?;
        replica.step(&snapshot_for(state, member)?);
        replica.advance()?;
        Ok(disk.load()?)
    };
    members.map(disk).collect()
}

/// A message with the state, of a leader that is no member any more.
fn snapshot_for(state: &State, member: u64) -> Result<Vec<u8>, ReplicaError> {
    let mut snapshot = Snapshot {
        data: state.encode()?.into(),
        ..Snapshot::default()
    };
    let meta = snapshot.mut_metadata();
    (meta.index, meta.term) = FOUNDED;
    let members = state.highest_raft_id();
    meta.mut_conf_state().voters = (1..=members).collect();
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgSnapshot);
    (message.from, message.to, message.term) = (members + 1, member, FOUNDED.1);
    message.set_snapshot(snapshot);
    message
        .write_to_bytes()
        .map_err(|why| ReplicaError::Raft(why.to_string()))
}

/// The disk of the first of three members.
///
/// # Errors
/// What the state says if it does not take what they are founded with.
pub fn member_of_three() -> Result<MemoryDisk, String> {
    let nodes = (1..=3).map(|n| node(NodeId::from_bits(n), n as usize, Role::Manager, Timestamp(0)));
    let state = founding(cluster(1, Timestamp(0)), NetworkId::from_bits(1), nodes.collect())?;
    let disks = disks(&state).map_err(|e| e.to_string())?;
    let first = disks.into_iter().next();
    first.map(MemoryDisk::of).ok_or_else(|| "no member".to_owned())
}
