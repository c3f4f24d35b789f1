//! Secrets and configs, as users ask for them.

use std::collections::BTreeMap;

use model::{PayloadBytes, PayloadId, Timestamp};
use store::{Command, Kind, NewPayload, PayloadLabels, PayloadRotation, Refused, State, View};

use super::{plan_update_service, planned};

/// A secret or config.
pub fn plan_create_payload(view: &View, new: NewPayload) -> Result<Command, Refused> {
    planned(view, Command::CreatePayload(Box::new(new)))
}

/// Other labels. `version` is that of the one that the user read; 0: whichever it is.
pub fn plan_label_payload(
    view: &View,
    id: PayloadId,
    version: u64,
    at: Timestamp,
    labels: BTreeMap<String, String>,
) -> Result<Command, Refused> {
    let now = view.payload(id).map_or(0, |payload| payload.version);
    let version = if version == 0 { now } else { version };
    let change = PayloadLabels {
        id,
        version,
        at,
        labels,
    };
    planned(view, Command::LabelPayload(Box::new(change)))
}

/// Its end.
pub fn plan_remove_payload(view: &View, id: PayloadId) -> Result<Command, Refused> {
    planned(view, Command::RemovePayload { id })
}

/// New bytes under the name of `old`, and in the same step an update of every service that uses it, or one that had the
/// name before, as a service that was rolled back does. Services that could only be rolled back to one keep it;
/// where there is a canary, that is what gets the new bytes.
pub fn plan_rotate_payload(
    view: &View,
    old: PayloadId,
    new: PayloadId,
    at: Timestamp,
    bytes: PayloadBytes,
) -> Result<Command, Refused> {
    let latest = view.payload(old).ok_or_else(|| Refused::NotFound {
        kind: Kind::Secret,
        what: old.to_string(),
    })?;
    let replaced = view.payloads_of_name(latest.kind, &latest.spec.name);
    let users = view.users_of_payloads(&replaced);
    let mut scratch: State = view.clone();
    let rotation = PayloadRotation {
        old,
        new,
        at,
        bytes,
        users: Some(users.keys().copied().collect()),
    };
    let mut batch = vec![Command::RotatePayload(Box::new(rotation))];
    scratch.apply_draft(batch[0].clone())?;
    for service in users.into_values() {
        let mut spec = service.spec.clone();
        for (_, file) in spec
            .container
            .payloads_mut()
            .filter(|(_, file)| replaced.contains(&file.id))
        {
            file.id = new;
        }
        let canary = service.canary.map(|canary| canary.share);
        let update = plan_update_service(&scratch, service.id, service.version, at, spec, canary)?;
        scratch.apply_draft(update.clone())?;
        batch.push(update);
    }
    Ok(Command::Batch(batch))
}

#[cfg(test)]
mod tests {
    use model::{PayloadKind, PayloadRef, PayloadSpec, TaskState};

    use super::*;
    use crate::testbed::Bed;

    const OLD: PayloadId = PayloadId::from_bits(700);
    const NEW: PayloadId = PayloadId::from_bits(701);

    fn bed() -> Bed {
        let mut bed = Bed::with_nodes(1);
        let new = NewPayload {
            id: OLD,
            at: bed.now,
            kind: PayloadKind::Secret,
            spec: PayloadSpec {
                name: "db".parse().unwrap(),
                labels: BTreeMap::new(),
                templated: false,
            },
            bytes: PayloadBytes::new(b"1"),
        };
        let command = plan_create_payload(bed.view(), new).unwrap();
        bed.apply(command).unwrap();
        bed
    }

    #[test]
    fn a_rotation_updates_the_users_and_the_old_one_goes_with_its_last_task() {
        let mut bed = bed();
        let secret = |spec: &mut model::ServiceSpec| {
            spec.container.secrets = vec![PayloadRef::of(OLD, "db".parse().unwrap())];
        };
        let web = bed.service("web", secret).unwrap();
        let other = bed.service("other", |_| ()).unwrap();
        bed.converge();
        let before = [web, other].map(|id| bed.view().service(id).unwrap().spec_version);
        let rotation = plan_rotate_payload(bed.view(), OLD, NEW, bed.now, PayloadBytes::new(b"2")).unwrap();
        bed.apply(rotation).unwrap();
        let after = [web, other].map(|id| bed.view().service(id).unwrap().spec_version);
        assert_eq!(after, [before[0] + 1, before[1]]);
        assert_eq!(bed.view().service(web).unwrap().spec.container.secrets[0].id, NEW);
        assert!(bed.view().payload(OLD).is_some(), "its task runs");
        bed.converge();
        let tasks = bed
            .view()
            .tasks_of_service(web)
            .filter(|t| t.status.state == TaskState::Running);
        assert!(tasks.count() > 0);
        assert!(bed.view().payload(OLD).is_none() || bed.view().is_payload_used(OLD));
    }

    #[test]
    fn a_rotation_reaches_who_was_rolled_back_to_an_older_one() {
        let mut bed = bed();
        let secret = |spec: &mut model::ServiceSpec| {
            spec.container.secrets = vec![PayloadRef::of(OLD, "db".parse().unwrap())];
        };
        let web = bed.service("web", secret).unwrap();
        let rotate = |bed: &mut Bed, old, new: u128| {
            let (new, bytes) = (PayloadId::from_bits(new), PayloadBytes::new(b"2"));
            let rotation = plan_rotate_payload(bed.view(), old, new, bed.now, bytes);
            bed.apply(rotation.unwrap()).unwrap();
        };
        rotate(&mut bed, OLD, 701);
        bed.roll_back(web).unwrap();
        let file = |bed: &Bed| bed.view().service(web).unwrap().spec.container.secrets[0].id;
        assert_eq!(file(&bed), OLD);
        rotate(&mut bed, NEW, 702);
        assert_eq!(file(&bed), PayloadId::from_bits(702));
    }

    #[test]
    fn labels_change_by_compare_and_set() {
        let mut bed = bed();
        let labels: BTreeMap<_, _> = [("a".to_owned(), "b".to_owned())].into();
        let stale = plan_label_payload(bed.view(), OLD, 1, bed.now, labels.clone());
        assert!(matches!(stale, Err(Refused::OutOfSequence { .. })), "{stale:?}");
        let command = plan_label_payload(bed.view(), OLD, 0, bed.now, labels.clone()).unwrap();
        bed.apply(command).unwrap();
        assert_eq!(bed.view().payload(OLD).unwrap().spec.labels, labels);
    }
}
