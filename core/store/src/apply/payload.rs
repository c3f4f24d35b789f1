//! Secrets and configs: their bytes never change, and none goes while a service uses it.

use std::collections::BTreeSet;

use model::{Payload, PayloadId, PayloadSpec, ServiceId, Timestamp};

use crate::{Event, Kind, NewPayload, PayloadLabels, PayloadRotation, Refused, State};

fn missing(id: PayloadId) -> Refused {
    Refused::NotFound {
        kind: Kind::Secret,
        what: id.to_string(),
    }
}

impl State {
    pub(super) fn create_payload(
        &mut self,
        index: u64,
        new: NewPayload,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        if self.payload_named(new.kind, &new.spec.name).is_some() {
            return Err(Refused::NameTaken {
                kind: new.kind.into(),
                name: new.spec.name.to_string(),
            });
        }
        // Older ones of the name may still be there for their users' sake.
        let older = self.superseded_payloads();
        let of_name = older.filter(|p| p.kind == new.kind && p.spec.name == new.spec.name);
        let generation = 1 + of_name.map(|p| p.generation).max().unwrap_or(0);
        self.add_payload(index, new, generation, events)
    }

    fn add_payload(
        &mut self,
        index: u64,
        new: NewPayload,
        generation: u32,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        if self.payload(new.id).is_some() {
            return Err(Refused::IdTaken {
                kind: new.kind.into(),
                id: new.id.to_string(),
            });
        }
        let valid = new.spec.validate(new.kind, &new.bytes);
        valid.map_err(|why| Refused::Invalid(why.to_string()))?;
        events.push(Event::Payload {
            id: new.id,
            kind: new.kind,
        });
        self.put_payload(Payload {
            id: new.id,
            version: index,
            created_at: new.at,
            updated_at: new.at,
            kind: new.kind,
            spec: new.spec,
            generation,
            superseded: false,
            bytes: new.bytes,
        });
        Ok(())
    }

    pub(super) fn label_payload(
        &mut self,
        index: u64,
        change: PayloadLabels,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let old = self.payload(change.id).cloned().ok_or_else(|| missing(change.id))?;
        if old.version != change.version {
            return Err(Refused::OutOfSequence {
                kind: old.kind.into(),
                name: old.spec.name.to_string(),
                read: change.version,
                now: old.version,
            });
        }
        self.change_payload(index, change.at, old, events, |payload| {
            payload.spec.labels = change.labels
        });
        Ok(())
    }

    fn change_payload(
        &mut self,
        index: u64,
        at: Timestamp,
        mut payload: Payload,
        events: &mut Vec<Event>,
        change: impl FnOnce(&mut Payload),
    ) {
        change(&mut payload);
        (payload.version, payload.updated_at) = (index, at);
        events.push(Event::Payload {
            id: payload.id,
            kind: payload.kind,
        });
        self.put_payload(payload);
    }

    /// A new one takes the name of the latest; that one stays for those who use it.
    pub(super) fn rotate_payload(
        &mut self,
        index: u64,
        rotation: PayloadRotation,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let PayloadRotation {
            old,
            new,
            at,
            bytes,
            users,
        } = rotation;
        let old = self.payload(old).cloned().ok_or_else(|| missing(old))?;
        if old.superseded {
            return Err(Refused::Superseded {
                kind: old.kind,
                name: old.spec.name.to_string(),
            });
        }
        if users.is_some_and(|users| !self.are_users(&old, &users)) {
            return Err(Refused::UsersChanged {
                kind: old.kind,
                name: old.spec.name.to_string(),
            });
        }
        let (kind, generation) = (old.kind, old.generation + 1);
        let spec = PayloadSpec::clone(&old.spec);
        self.change_payload(index, at, old, events, |payload| payload.superseded = true);
        let new = NewPayload {
            id: new,
            at,
            kind,
            spec,
            bytes,
        };
        self.add_payload(index, new, generation, events)
    }

    /// Whether these services and no others use the name of a secret or config.
    fn are_users(&self, of: &Payload, services: &BTreeSet<ServiceId>) -> bool {
        let users = self.users_of_payloads(&self.payloads_of_name(of.kind, &of.spec.name));
        users.keys().eq(services)
    }

    pub(super) fn remove_payload(&mut self, id: PayloadId, events: &mut Vec<Event>) -> Result<(), Refused> {
        let payload = self.payload(id).ok_or_else(|| missing(id))?;
        let kind = payload.kind;
        let services = self.services_with_payload(id);
        let names: Vec<_> = services.map(|service| service.spec.name.to_string()).collect();
        if !names.is_empty() {
            return Err(Refused::PayloadInUse {
                kind,
                name: payload.spec.name.to_string(),
                services: names,
            });
        }
        events.push(Event::Payload { id, kind });
        self.drop_payload(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::{PayloadBytes, PayloadKind, PayloadRef, ServiceSpec};

    use crate::{Command, fixture::*};

    use super::*;

    const DB: PayloadId = PayloadId::from_bits(7);
    const DB2: PayloadId = PayloadId::from_bits(8);

    fn secret(id: PayloadId, name: &str) -> Command {
        Command::CreatePayload(Box::new(NewPayload {
            id,
            at: AT,
            kind: PayloadKind::Secret,
            spec: PayloadSpec {
                name: name.parse().unwrap(),
                labels: Default::default(),
                templated: false,
            },
            bytes: PayloadBytes::new(b"1"),
        }))
    }

    fn rotation(old: PayloadId, new: PayloadId) -> Command {
        planned_rotation(old, new, None)
    }

    fn planned_rotation(old: PayloadId, new: PayloadId, users: Option<BTreeSet<ServiceId>>) -> Command {
        Command::RotatePayload(Box::new(PayloadRotation {
            old,
            new,
            at: AT,
            bytes: PayloadBytes::new(b"2"),
            users,
        }))
    }

    fn spec(name: &str, secret: PayloadId) -> ServiceSpec {
        let mut spec = ServiceSpec::new(name.parse().unwrap(), "image");
        spec.container.secrets = vec![PayloadRef::of(secret, "db".parse().unwrap())];
        spec
    }

    fn creation(id: u128, name: &str, secret: PayloadId) -> Command {
        Command::CreateService(Box::new(crate::NewService {
            id: ServiceId::from_bits(id),
            at: AT,
            spec: spec(name, secret),
            vips: Vec::new(),
            ports: Vec::new(),
        }))
    }

    /// The service `api` with a secret.
    fn user(id: PayloadId) -> Command {
        creation(2, "api", id)
    }

    #[test]
    fn names_are_unique_among_the_latest_of_a_kind() {
        let mut state = state();
        apply(&mut state, secret(DB, "db")).unwrap();
        let twice = apply(&mut state, secret(DB2, "db")).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "name conflicts with an existing object: secret db already exists"
        );
        let name = "db".parse().unwrap();
        assert_eq!(state.payload_named(PayloadKind::Secret, &name).map(|p| p.id), Some(DB));
        assert!(state.payload_named(PayloadKind::Config, &name).is_none());
        let again = State::decode(&state.encode().unwrap()).unwrap();
        assert_eq!(again, state);
    }

    #[test]
    fn one_in_use_is_not_removed_and_its_users_are_named() {
        let mut state = state();
        let unknown = apply(&mut state, user(DB)).unwrap_err();
        assert!(matches!(unknown, Refused::NotFound { .. }), "{unknown}");
        apply(&mut state, secret(DB, "db")).unwrap();
        apply(&mut state, user(DB)).unwrap();
        let used = apply(&mut state, Command::RemovePayload { id: DB }).unwrap_err();
        assert_eq!(used.to_string(), "secret 'db' is in use by the following service: api");
        let id = ServiceId::from_bits(2);
        apply(&mut state, Command::RemoveService { id, at: AT }).unwrap();
        apply(&mut state, Command::RemovePayload { id: DB }).unwrap();
        assert_eq!(state.payloads().count(), 0);
    }

    #[test]
    fn a_rotation_hands_the_name_on_and_keeps_the_old_one() {
        let mut state = state();
        apply(&mut state, secret(DB, "db")).unwrap();
        apply(&mut state, user(DB)).unwrap();
        apply(&mut state, rotation(DB, DB2)).unwrap();
        let latest = state
            .payload_named(PayloadKind::Secret, &"db".parse().unwrap())
            .unwrap();
        assert_eq!((latest.id, latest.generation, latest.superseded), (DB2, 2, false));
        assert!(state.payload(DB).unwrap().superseded && state.is_payload_used(DB));
        let stale = apply(&mut state, rotation(DB, PayloadId::from_bits(9))).unwrap_err();
        assert!(matches!(stale, Refused::Superseded { .. }), "{stale}");
        assert_eq!(state.superseded_payloads().count(), 1);
        let again = State::decode(&state.encode().unwrap()).unwrap();
        assert_eq!(again, state);
    }

    #[test]
    fn a_service_does_not_begin_to_use_one_that_was_rotated() {
        let mut state = state();
        apply(&mut state, secret(DB, "db")).unwrap();
        apply(&mut state, user(DB)).unwrap();
        apply(&mut state, rotation(DB, DB2)).unwrap();
        let late = apply(&mut state, creation(3, "late", DB)).unwrap_err();
        assert!(matches!(late, Refused::Superseded { .. }) && late.is_race(), "{late}");
        apply(&mut state, creation(3, "late", DB2)).unwrap();
        let change = |state: &State, id: u128, spec: ServiceSpec| {
            let id = ServiceId::from_bits(id);
            Command::UpdateService(Box::new(crate::ServiceChange {
                id,
                version: state.service(id).unwrap().version,
                at: AT,
                spec,
                vips: Vec::new(),
                ports: Vec::new(),
                canary: None,
            }))
        };
        let back = change(&state, 3, spec("late", DB));
        assert!(matches!(apply(&mut state, back), Err(Refused::Superseded { .. })));
        let mut kept = spec("api", DB);
        kept.container.image = "other".to_owned();
        let kept = change(&state, 2, kept);
        apply(&mut state, kept).unwrap();
    }

    #[test]
    fn a_rotation_whose_users_are_others_by_now_is_planned_again() {
        let mut state = state();
        apply(&mut state, secret(DB, "db")).unwrap();
        let planned = planned_rotation(DB, DB2, Some(BTreeSet::new()));
        apply(&mut state, user(DB)).unwrap();
        let outrun = apply(&mut state, planned).unwrap_err();
        assert!(
            matches!(outrun, Refused::UsersChanged { .. }) && outrun.is_race(),
            "{outrun}"
        );
        let users = BTreeSet::from([ServiceId::from_bits(2)]);
        apply(&mut state, planned_rotation(DB, DB2, Some(users.clone()))).unwrap();
        // It still has the one before.
        let third = PayloadId::from_bits(9);
        apply(&mut state, planned_rotation(DB2, third, Some(users))).unwrap();
    }

    #[test]
    fn a_rotation_that_an_earlier_version_wrote_is_read() {
        let old = rotation(DB, DB2);
        let entry = crate::Entry {
            request: model::RequestId::from_bits(1),
            command: old,
        };
        let bytes = entry.encode().unwrap();
        assert!(!bytes.windows(5).any(|word| word == b"users"), "as it was written");
        assert_eq!(crate::Entry::decode(&bytes), Ok(entry));
    }
}
