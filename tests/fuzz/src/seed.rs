//! Inputs to begin with: real messages, records and snapshots of the small cluster.

use control::node_view;
use model::JoinToken;
use prost::Message;
use wire::pb::{self, session_down, session_up};

use crate::base::{self, BLUE, WEB, WORKER};

/// The seeds of a target, by its name in [`crate::TARGETS`]; none for an unknown one.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let (state, entries) = base::cluster();
    match target {
        "record" => entries.iter().filter_map(|entry| entry.encode().ok()).collect(),
        "snapshot" => state.encode().into_iter().collect(),
        "request" => requests(),
        "session" => sessions(),
        "token" => vec![token().to_string().into_bytes()],
        _ => Vec::new(),
    }
}

fn token() -> JoinToken {
    let (digest, secret) = ([7; 32], [9; 16]);
    JoinToken { digest, secret }
}

/// A message behind the byte that chooses how it is read.
fn chosen(kind: u8, message: &impl Message) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(message.encode_to_vec());
    bytes
}

fn requests() -> Vec<Vec<u8>> {
    let state = &base::cluster().0;
    let service = state
        .service(WEB)
        .map(|service| pb::ServiceSpec::from(service.spec.clone()));
    let mut other = service.clone().unwrap_or_default();
    other.name = "other".to_owned();
    other.ports.iter_mut().for_each(|port| port.published = None);
    let network = state.network(BLUE).map(|network| {
        let mut spec = pb::NetworkSpec::from(network.spec.clone());
        spec.name = "green".to_owned();
        spec.subnet = Some("10.9.0.0/24".to_owned());
        spec
    });
    let create = pb::CreateServiceRequest {
        spec: Some(other),
        ..Default::default()
    };
    let update = pb::UpdateServiceRequest {
        r#ref: "web".to_owned(),
        version: state.service(WEB).map_or(0, |service| service.version),
        spec: service,
        ..Default::default()
    };
    let network = pb::CreateNetworkRequest {
        spec: network,
        ..Default::default()
    };
    let node = pb::UpdateNodeRequest {
        version: state.node(WORKER).map_or(0, |node| node.version),
        spec: state.node(WORKER).map(|node| node.spec.clone().into()),
        ..Default::default()
    };
    let remove = pb::RemoveRequest {
        r#ref: "web".to_owned(),
        ..Default::default()
    };
    let join = pb::IssueCertificateRequest {
        token: token().to_string(),
        ..Default::default()
    };
    vec![
        chosen(0, &create),
        chosen(1, &update),
        chosen(2, &network),
        chosen(3, &node),
        chosen(4, &remove),
        chosen(5, &join),
    ]
}

fn sessions() -> Vec<Vec<u8>> {
    let state = &base::cluster().0;
    let view = pb::SessionDown {
        message: node_view(state, WORKER, state.applied()).map(|view| session_down::Message::View(view.into())),
    };
    let reports = state.tasks_on_node(WORKER).map(|task| pb::TaskReport {
        task: task.id.to_string(),
        status: Some(task.status.clone().into()),
    });
    let reports = pb::SessionUp {
        message: Some(session_up::Message::Statuses(pb::StatusBatch {
            reports: reports.collect(),
        })),
    };
    let hello = pb::SessionUp {
        message: Some(session_up::Message::Hello(pb::Hello {
            format: 1,
            description: Some(pb::NodeDescription {
                hostname: "n2".to_owned(),
                vtep: "192.0.2.1".to_owned(),
                underlay_mtu: 1500,
                ..Default::default()
            }),
            ..Default::default()
        })),
    };
    vec![chosen(0, &hello), chosen(0, &reports), chosen(1, &view)]
}
