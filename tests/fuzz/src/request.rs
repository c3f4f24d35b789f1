//! What operators and joining nodes send. The first byte chooses the message.

mod join;
mod payload;

use control::{
    find_network, find_node, find_service, find_task, plan_create_network, plan_create_service, plan_update_cluster,
    plan_update_service,
};
use model::{ClusterSettings, NetworkId, NetworkSpec, NodeSpec, Ratio, ServiceId, ServiceSpec};
use prost::Message;
use store::{Command, Refused, State};
use wire::pb;

use crate::{
    base::{self, AT, WEB, WORKER},
    record,
};

/// A request is refused, or it is planned into a command that applies to the state that it was planned on.
pub fn request(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let state = &base::cluster().0;
    match kind % 10 {
        0 => create_service(state, bytes),
        1 => update_service(state, bytes),
        2 => create_network(state, bytes),
        3 => update_node(state, bytes),
        4 => find(state, bytes),
        5 => join::join(state, bytes),
        6 => payload::create(state, bytes),
        7 => payload::label(state, bytes),
        8 => payload::rotate(state, bytes),
        _ => update_cluster(state, bytes),
    }
}

fn create_service(state: &State, bytes: &[u8]) {
    let Some(spec) = pb::CreateServiceRequest::decode(bytes)
        .ok()
        .and_then(|request| request.spec)
    else {
        return;
    };
    let Some(spec) = service_spec(spec) else { return };
    planned(state, plan_create_service(state, ServiceId::from_bits(77), AT, spec));
}

fn update_service(state: &State, bytes: &[u8]) {
    let Ok(request) = pb::UpdateServiceRequest::decode(bytes) else {
        return;
    };
    let Some(spec) = request.spec.and_then(service_spec) else {
        return;
    };
    let canary = request.canary.and_then(|share| Ratio::new(share).ok());
    planned(
        state,
        plan_update_service(state, WEB, request.version, AT, spec, canary),
    );
}

fn create_network(state: &State, bytes: &[u8]) {
    let Some(spec) = pb::CreateNetworkRequest::decode(bytes)
        .ok()
        .and_then(|request| request.spec)
    else {
        return;
    };
    let Ok(spec) = NetworkSpec::try_from(spec) else { return };
    let wire = pb::NetworkSpec::from(spec.clone());
    assert_eq!(
        NetworkSpec::try_from(wire).as_ref(),
        Ok(&spec),
        "a network's spec survives a round trip"
    );
    planned(state, plan_create_network(state, NetworkId::from_bits(77), AT, spec));
}

fn update_node(state: &State, bytes: &[u8]) {
    let Ok(request) = pb::UpdateNodeRequest::decode(bytes) else {
        return;
    };
    let Some(Ok(spec)) = request.spec.map(NodeSpec::try_from) else {
        return;
    };
    let (id, version, at) = (WORKER, request.version, AT);
    let command = Command::UpdateNodeSpec { id, version, at, spec };
    let _ = record::applied(state, base::entry(command));
}

fn update_cluster(state: &State, bytes: &[u8]) {
    let Ok(request) = pb::UpdateClusterRequest::decode(bytes) else {
        return;
    };
    let Some(Ok(settings)) = request.settings.map(ClusterSettings::try_from) else {
        return;
    };
    let wire = pb::ClusterSettings::from(settings.clone());
    assert_eq!(
        ClusterSettings::try_from(wire).as_ref(),
        Ok(&settings),
        "settings survive a round trip"
    );
    planned(state, plan_update_cluster(state, request.version, settings));
}

fn find(state: &State, bytes: &[u8]) {
    let Ok(request) = pb::RemoveRequest::decode(bytes) else {
        return;
    };
    let _ = find_network(state, &request.r#ref);
    let _ = find_node(state, &request.r#ref);
    let _ = find_service(state, &request.r#ref);
    let _ = find_task(state, &request.r#ref);
}

fn service_spec(spec: pb::ServiceSpec) -> Option<ServiceSpec> {
    let spec = ServiceSpec::try_from(spec).ok()?;
    let wire = pb::ServiceSpec::from(spec.clone());
    assert_eq!(
        ServiceSpec::try_from(wire).as_ref(),
        Ok(&spec),
        "a service's spec survives a round trip"
    );
    Some(spec)
}

/// What was planned on a state, that state takes.
fn planned(state: &State, command: Result<Command, Refused>) {
    let Ok(command) = command else { return };
    let mut after = state.clone();
    let applied = after.apply(state.applied() + 1, base::entry(command));
    assert_eq!(applied.map(drop), Ok(()), "a plan fits the state it was made on");
}
