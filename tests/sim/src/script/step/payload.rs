//! Secrets.

use control::{find_payload, plan_create_payload, plan_rotate_payload};
use model::{PayloadBytes, PayloadId, PayloadKind, PayloadSpec};
use store::NewPayload;

use super::{Bed, Failed, parsed};

pub(super) fn create(bed: &mut Bed, name: &str, text: &str) -> Result<(), Failed> {
    let new = NewPayload {
        id: PayloadId::from_bits(bed.id()),
        at: bed.now,
        kind: PayloadKind::Secret,
        spec: PayloadSpec {
            name: parsed(name)?,
            labels: Default::default(),
            templated: false,
        },
        bytes: PayloadBytes::new(text.as_bytes()),
    };
    let command = plan_create_payload(bed.view(), new)?;
    Ok(bed.apply(command)?)
}

pub(super) fn rotate(bed: &mut Bed, name: &str, text: &str) -> Result<(), Failed> {
    let old = find_payload(bed.view(), PayloadKind::Secret, name)?.id;
    let new = PayloadId::from_bits(bed.id());
    let bytes = PayloadBytes::new(text.as_bytes());
    let command = plan_rotate_payload(bed.view(), old, new, bed.now, bytes)?;
    Ok(bed.apply(command)?)
}
