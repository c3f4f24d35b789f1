//! Inputs to begin with: real messages, records and snapshots of the small cluster.

mod requests;

use control::node_view;
use model::ViewDelta;
use prost::Message;
use wire::pb::{self, session_down, session_up};

use crate::{
    base::{self, WORKER},
    sealed,
};

/// The seeds of a target, by its name in [`crate::TARGETS`]; none for an unknown one.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let (state, entries) = base::cluster();
    match target {
        "record" => entries.iter().filter_map(|entry| entry.encode().ok()).collect(),
        "snapshot" => state.encode().into_iter().collect(),
        "request" => requests::requests(),
        "sealed" => vec![row()],
        "session" => sessions(),
        "token" => vec![base::token().to_string().into_bytes()],
        _ => Vec::new(),
    }
}

/// An entry as raft writes it (`eraftpb.proto`).
#[derive(Clone, PartialEq, Message)]
struct RaftEntry {
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
    #[prost(bytes = "vec", tag = "4")]
    data: Vec<u8>,
}

/// What is sealed into a row, behind the place and the bits of a change.
fn row() -> Vec<u8> {
    let entry = RaftEntry {
        term: sealed::TERM,
        index: sealed::INDEX,
        data: b"data".to_vec(),
    };
    [vec![5, 0, 1], entry.encode_to_vec()].concat()
}

/// A message behind the byte that chooses how it is read.
fn chosen(kind: u8, message: &impl Message) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(message.encode_to_vec());
    bytes
}

fn up(message: session_up::Message) -> Vec<u8> {
    chosen(0, &pb::SessionUp { message: Some(message) })
}

fn sessions() -> Vec<Vec<u8>> {
    let state = &base::cluster().0;
    let reports = state.tasks_on_node(WORKER).map(|task| pb::TaskReport {
        task: task.id.to_string(),
        status: Some(task.status.clone().into()),
    });
    let reports = reports.collect();
    let tasks = state.tasks_on_node(WORKER).map(|task| task.id.to_string()).collect();
    let hello = pb::Hello {
        format: 1,
        description: Some(pb::NodeDescription {
            hostname: "n2".to_owned(),
            vtep: "192.0.2.1".to_owned(),
            underlay_mtu: 1500,
            ..Default::default()
        }),
        ..Default::default()
    };
    let view = node_view(state, WORKER, state.applied()).map(|view| session_down::Message::View(view.into()));
    let delta = change().map(|delta| session_down::Message::Delta(delta.into()));
    vec![
        up(session_up::Message::Hello(hello)),
        up(session_up::Message::Statuses(pb::StatusBatch { reports })),
        up(session_up::Message::Kept(pb::Kept { tasks })),
        chosen(1, &pb::SessionDown { message: view }),
        chosen(1, &pb::SessionDown { message: delta }),
    ]
}

/// What the worker would be told if its view lost a row of most kinds.
fn change() -> Option<ViewDelta> {
    let state = &base::cluster().0;
    let new = node_view(state, WORKER, state.applied())?;
    let mut old = new.clone();
    old.peers.pop();
    old.tasks.pop();
    old.services.pop();
    let mut delta = ViewDelta::between(&old, &new);
    delta.networks.gone = new.networks.iter().map(|network| network.id).collect();
    Some(delta)
}
