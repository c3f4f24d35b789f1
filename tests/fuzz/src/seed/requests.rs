//! Requests of operators and of nodes that join.

use store::State;
use wire::pb;

use super::chosen;
use crate::base::{self, BLUE, WEB, WORKER};

/// One of each kind that [`crate::request`] knows.
pub(super) fn requests() -> Vec<Vec<u8>> {
    let state = &base::cluster().0;
    let network = state.network(BLUE).map(|network| {
        let mut spec = pb::NetworkSpec::from(network.spec.clone());
        spec.name = "green".to_owned();
        spec.subnet = Some("10.9.0.0/24".to_owned());
        spec
    });
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
    let mut all = vec![
        chosen(2, &network),
        chosen(3, &node),
        chosen(4, &remove),
        chosen(5, &join()),
        chosen(9, &settings(state)),
    ];
    all.extend(services(state));
    all.extend(payloads());
    all
}

fn services(state: &State) -> [Vec<u8>; 2] {
    let service = state.service(WEB);
    let spec = service.map(|service| pb::ServiceSpec::from(service.spec.clone()));
    let mut other = spec.clone().unwrap_or_default();
    other.name = "other".to_owned();
    other.ports.iter_mut().for_each(|port| port.published = None);
    let create = pb::CreateServiceRequest {
        spec: Some(other),
        ..Default::default()
    };
    let update = pb::UpdateServiceRequest {
        r#ref: "web".to_owned(),
        version: service.map_or(0, |service| service.version),
        spec,
        ..Default::default()
    };
    [chosen(0, &create), chosen(1, &update)]
}

fn join() -> pb::IssueCertificateRequest {
    pb::IssueCertificateRequest {
        token: base::token().to_string(),
        csr_pem: base::signing_request().to_owned(),
        addr: "192.0.2.7:2377".to_owned(),
        ..Default::default()
    }
}

fn settings(state: &State) -> pb::UpdateClusterRequest {
    pb::UpdateClusterRequest {
        version: state.cluster().map_or(0, |cluster| cluster.version),
        settings: state.cluster().map(|cluster| cluster.settings.clone().into()),
        ..Default::default()
    }
}

fn payloads() -> [Vec<u8>; 3] {
    let kind = pb::PayloadKind::Secret.into();
    let create = pb::CreatePayloadRequest {
        kind,
        spec: Some(pb::PayloadSpec {
            name: "other".to_owned(),
            ..Default::default()
        }),
        data: b"data".to_vec(),
        ..Default::default()
    };
    let label = pb::UpdatePayloadRequest {
        kind,
        r#ref: "password".to_owned(),
        labels: vec![pb::Label {
            name: "a".to_owned(),
            value: "b".to_owned(),
        }],
        ..Default::default()
    };
    let rotate = pb::RotatePayloadRequest {
        kind,
        r#ref: "password".to_owned(),
        data: b"another".to_vec(),
        ..Default::default()
    };
    [chosen(6, &create), chosen(7, &label), chosen(8, &rotate)]
}
