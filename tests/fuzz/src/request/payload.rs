//! Secrets and configs.

use std::collections::BTreeMap;

use control::{find_payload, plan_create_payload, plan_label_payload, plan_rotate_payload};
use model::{PayloadBytes, PayloadId, PayloadKind, PayloadSpec};
use prost::Message;
use store::{NewPayload, State};
use wire::pb;

use super::planned;
use crate::base::AT;

const NEW: PayloadId = PayloadId::from_bits(77);

fn kind(number: i32) -> Option<PayloadKind> {
    pb::PayloadKind::try_from(number).ok()?.try_into().ok()
}

pub(super) fn create(state: &State, bytes: &[u8]) {
    let Ok(request) = pb::CreatePayloadRequest::decode(bytes) else {
        return;
    };
    let (Some(kind), Some(Ok(spec))) = (kind(request.kind), request.spec.map(PayloadSpec::try_from)) else {
        return;
    };
    let wire = pb::PayloadSpec::from(spec.clone());
    assert_eq!(
        PayloadSpec::try_from(wire).as_ref(),
        Ok(&spec),
        "a payload's spec survives a round trip"
    );
    let new = NewPayload {
        id: NEW,
        at: AT,
        kind,
        spec,
        bytes: PayloadBytes::new(&request.data),
    };
    planned(state, plan_create_payload(state, new));
}

pub(super) fn label(state: &State, bytes: &[u8]) {
    let Ok(request) = pb::UpdatePayloadRequest::decode(bytes) else {
        return;
    };
    let Some(Ok(payload)) = kind(request.kind).map(|kind| find_payload(state, kind, &request.r#ref)) else {
        return;
    };
    let labels = request.labels.into_iter().map(|label| (label.name, label.value));
    let labels: BTreeMap<String, String> = labels.collect();
    planned(
        state,
        plan_label_payload(state, payload.id, request.version, AT, labels),
    );
}

/// New bytes for a secret that a service uses.
pub(super) fn rotate(state: &State, bytes: &[u8]) {
    let Ok(request) = pb::RotatePayloadRequest::decode(bytes) else {
        return;
    };
    let Some(Ok(payload)) = kind(request.kind).map(|kind| find_payload(state, kind, &request.r#ref)) else {
        return;
    };
    let bytes = PayloadBytes::new(&request.data);
    planned(state, plan_rotate_payload(state, payload.id, NEW, AT, bytes));
}
