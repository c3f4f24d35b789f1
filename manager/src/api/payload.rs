//! Secrets and configs, as users ask for them. Bytes of secrets come in and do not go out.

use std::collections::BTreeMap;

use control::{find_payload, plan_create_payload, plan_label_payload, plan_remove_payload, plan_rotate_payload};
use model::{Payload, PayloadBytes, PayloadId, PayloadKind, PayloadSpec};
use store::{NewPayload, View};
use tonic::Status;
use wire::pb;

use super::{Api, refusal, removed_before, request_id};
use crate::mint;

/// Secret or config; a request must say which.
fn kind(number: i32) -> Result<PayloadKind, Status> {
    let wire = pb::PayloadKind::try_from(number).unwrap_or_default();
    PayloadKind::try_from(wire).map_err(|why| refusal::invalid(&why))
}

fn find(view: &View, kind: PayloadKind, what: &str) -> Result<PayloadId, Status> {
    let found = find_payload(view, kind, what);
    found.map(|payload| payload.id).map_err(|why| refusal::refused(&why))
}

fn told(view: &View, id: PayloadId) -> Result<pb::Payload, Status> {
    let payload = view.payload(id).cloned();
    payload
        .map(Into::into)
        .ok_or_else(|| Status::aborted("it was removed at the same time"))
}

/// What a rotation to `new` has done.
fn rotated(view: &View, new: PayloadId) -> Result<pb::RotatePayloadResponse, Status> {
    let users = view.services_with_payload(new);
    Ok(pb::RotatePayloadResponse {
        payload: Some(told(view, new)?),
        services: users.map(|service| service.spec.name.to_string()).collect(),
    })
}

impl Api {
    pub(super) async fn create_payload(&self, request: pb::CreatePayloadRequest) -> Result<pb::Payload, Status> {
        let (id, kind) = (request_id(&request.request)?, kind(request.kind)?);
        let spec = PayloadSpec::try_from(request.spec.unwrap_or_default()).map_err(|why| refusal::invalid(&why))?;
        let new = NewPayload {
            id: PayloadId::from_bits(mint::object_of(id, "payload")),
            at: mint::now(),
            kind,
            spec,
            bytes: PayloadBytes::new(&request.data),
        };
        let payload = new.id;
        let view = self
            .queue
            .change(id, move |view| plan_create_payload(view, new.clone()))
            .await?;
        told(&view, payload)
    }

    pub(super) async fn list_payloads(
        &self,
        request: pb::ListPayloadsRequest,
    ) -> Result<pb::ListPayloadsResponse, Status> {
        let view = self.read().await?;
        let kinds = match request.kind {
            0 => vec![PayloadKind::Secret, PayloadKind::Config],
            number => vec![kind(number)?],
        };
        let mut found: Vec<&Payload> = Vec::new();
        if request.refs.is_empty() {
            found.extend(view.payloads().filter(|p| !p.superseded && kinds.contains(&p.kind)));
        }
        for what in &request.refs {
            // Of both kinds, what is not the one may be the other.
            let mut outcomes = kinds.iter().map(|kind| find_payload(&view, *kind, what));
            let one = outcomes
                .by_ref()
                .find(Result::is_ok)
                .unwrap_or_else(|| find_payload(&view, kinds[0], what));
            found.push(one.map_err(|why| refusal::refused(&why))?);
        }
        found.sort_by(|a, b| (&a.spec.name, a.generation).cmp(&(&b.spec.name, b.generation)));
        Ok(pb::ListPayloadsResponse {
            payloads: found.into_iter().cloned().map(Into::into).collect(),
        })
    }

    pub(super) async fn update_payload(&self, request: pb::UpdatePayloadRequest) -> Result<pb::Payload, Status> {
        let (id, kind) = (request_id(&request.request)?, kind(request.kind)?);
        let labels = request.labels.into_iter().map(|label| (label.name, label.value));
        let labels: BTreeMap<String, String> = labels.collect();
        let payload = find(&self.read().await?, kind, &request.r#ref)?;
        let (version, at) = (request.version, mint::now());
        let plan = move |view: &View| plan_label_payload(view, payload, version, at, labels.clone());
        let view = match version {
            // Whichever it is: the plan takes it from the state.
            0 => self.queue.change_newest(id, plan).await?,
            _ => self.queue.change(id, plan).await?,
        };
        told(&view, payload)
    }

    pub(super) async fn rotate_payload(
        &self,
        request: pb::RotatePayloadRequest,
    ) -> Result<pb::RotatePayloadResponse, Status> {
        let (id, kind) = (request_id(&request.request)?, kind(request.kind)?);
        let new = PayloadId::from_bits(mint::object_of(id, "payload"));
        let view = self.read().await?;
        if view.payload(new).is_some() {
            // A repeated request: the name means what it has made.
            return rotated(&view, new);
        }
        let old = find_payload(&view, kind, &request.r#ref).map_err(|why| refusal::refused(&why))?;
        if old.bytes.as_bytes() == request.data {
            // Nobody who uses it would see a difference.
            return Ok(pb::RotatePayloadResponse {
                payload: Some(old.clone().into()),
                services: Vec::new(),
            });
        }
        let (at, bytes) = (mint::now(), PayloadBytes::new(&request.data));
        let view = self
            .queue
            .change_newest(id, move |view| {
                // The latest of the name at each attempt: another rotation may have come in between.
                let old = find_payload(view, kind, &request.r#ref)?.id;
                plan_rotate_payload(view, old, new, at, bytes.clone())
            })
            .await?;
        rotated(&view, new)
    }

    pub(super) async fn remove_payload(&self, request: pb::RemovePayloadRequest) -> Result<pb::RemoveResponse, Status> {
        let (id, kind) = (request_id(&request.request)?, kind(request.kind)?);
        let view = self.read().await?;
        if let Some(before) = removed_before(&view, id, &request.r#ref) {
            return before;
        }
        let payload = find(&view, kind, &request.r#ref)?;
        self.queue
            .change(id, move |view| plan_remove_payload(view, payload))
            .await?;
        Ok(pb::RemoveResponse {
            id: payload.to_string(),
        })
    }
}
