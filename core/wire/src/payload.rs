//! Secrets and configs. Bytes of secrets go to nodes only, and nothing shows bytes.

use model::{NameKind, Payload, PayloadBytes, PayloadKind, PayloadSpec, PayloadView};

use crate::{
    WireError, pb,
    scalar::{choice, labels, message, name, parse, times, to_labels},
};

impl From<PayloadSpec> for pb::PayloadSpec {
    fn from(spec: PayloadSpec) -> Self {
        Self {
            name: spec.name.into(),
            labels: to_labels(spec.labels),
            templated: spec.templated,
        }
    }
}

impl TryFrom<pb::PayloadSpec> for PayloadSpec {
    type Error = WireError;
    fn try_from(spec: pb::PayloadSpec) -> Result<Self, WireError> {
        Ok(Self {
            name: name("name", NameKind::Other, &spec.name)?,
            labels: labels("labels", spec.labels)?,
            templated: spec.templated,
        })
    }
}

/// As managers tell of it: with the bytes of a config, without those of a secret.
impl From<Payload> for pb::Payload {
    fn from(payload: Payload) -> Self {
        let data = match payload.kind {
            PayloadKind::Secret => Vec::new(),
            PayloadKind::Config => payload.bytes.as_bytes().to_vec(),
        };
        Self {
            id: payload.id.to_string(),
            version: payload.version,
            created_at: payload.created_at.0,
            updated_at: payload.updated_at.0,
            kind: pb::PayloadKind::from(payload.kind).into(),
            spec: Some(payload.spec.into()),
            generation: payload.generation,
            superseded: payload.superseded,
            data,
        }
    }
}

/// As whoever asked the managers got it: a secret has no bytes there.
impl TryFrom<pb::Payload> for Payload {
    type Error = WireError;
    fn try_from(payload: pb::Payload) -> Result<Self, WireError> {
        let (created_at, updated_at) = times(payload.created_at, payload.updated_at);
        Ok(Self {
            id: parse("id", &payload.id)?,
            version: payload.version,
            created_at,
            updated_at,
            kind: choice::<pb::PayloadKind, _>("kind", payload.kind)?,
            spec: message("spec", payload.spec.clone())?,
            generation: payload.generation,
            superseded: payload.superseded,
            bytes: PayloadBytes::new(&payload.data),
        })
    }
}

impl From<PayloadView> for pb::PayloadView {
    fn from(payload: PayloadView) -> Self {
        Self {
            id: payload.id.to_string(),
            kind: pb::PayloadKind::from(payload.kind).into(),
            templated: payload.templated,
            data: payload.bytes.as_bytes().to_vec(),
        }
    }
}

impl TryFrom<pb::PayloadView> for PayloadView {
    type Error = WireError;
    fn try_from(payload: pb::PayloadView) -> Result<Self, WireError> {
        Ok(Self {
            id: parse("id", &payload.id)?,
            kind: choice::<pb::PayloadKind, _>("kind", payload.kind)?,
            templated: payload.templated,
            bytes: PayloadBytes::new(&payload.data),
        })
    }
}
