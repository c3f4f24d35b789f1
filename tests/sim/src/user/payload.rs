//! Secrets and configs of the user: made, put into services, rotated and removed.

use std::collections::BTreeMap;

use control::{plan_create_payload, plan_remove_payload, plan_rotate_payload};
use model::{Payload, PayloadBytes, PayloadId, PayloadKind, PayloadRef, PayloadSpec, ServiceSpec, Timestamp};
use store::{NewPayload, View};

use super::Planned;
use crate::dice::Dice;

/// At most so many, superseded ones apart.
const PAYLOADS: usize = 5;

/// Those that have their name.
fn latest(view: &View) -> Vec<&Payload> {
    view.payloads().filter(|payload| !payload.superseded).collect()
}

fn bytes(dice: &mut Dice) -> PayloadBytes {
    PayloadBytes::new(&dice.bits().to_le_bytes())
}

pub(super) fn create(view: &View, now: Timestamp, dice: &mut Dice) -> Planned {
    if latest(view).len() >= PAYLOADS {
        return None;
    }
    let kind = dice.pick(&[PayloadKind::Secret, PayloadKind::Config])?;
    let new = NewPayload {
        id: PayloadId::from_bits(dice.id()),
        at: now,
        kind,
        spec: PayloadSpec {
            name: format!("file{}", dice.between(0, 3)).parse().ok()?,
            labels: BTreeMap::new(),
            templated: false,
        },
        bytes: bytes(dice),
    };
    Some(plan_create_payload(view, new))
}

pub(super) fn rotate(view: &View, now: Timestamp, dice: &mut Dice) -> Planned {
    let old = dice.pick(&latest(view))?.id;
    let new = PayloadId::from_bits(dice.id());
    Some(plan_rotate_payload(view, old, new, now, bytes(dice)))
}

pub(super) fn remove(view: &View, dice: &mut Dice) -> Planned {
    Some(plan_remove_payload(view, dice.pick(&latest(view))?.id))
}

/// Gives a service other secrets and configs than it has, or takes them all away.
pub(super) fn attach(view: &View, spec: &mut ServiceSpec, dice: &mut Dice) {
    let all = latest(view);
    let mut files = |kind| {
        let chosen = all.iter().filter(|payload| payload.kind == kind && dice.chance(400));
        let files = chosen.map(|payload| PayloadRef::of(payload.id, payload.spec.name.clone()));
        files.collect()
    };
    spec.container.secrets = files(PayloadKind::Secret);
    spec.container.configs = files(PayloadKind::Config);
}
