//! Texts, numbers, lists and enumerations: the bricks of the other conversions.

use std::{collections::BTreeMap, fmt::Display, str::FromStr, time::Duration};

use model::{NameKind, Timestamp};

use crate::{WireError, pb};

/// Bytes of a text in words that are kept.
const MAX_WORDS: usize = 2048;

/// An id, address, prefix, constraint: anything whose text form is what travels.
pub fn parse<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, WireError> {
    text.parse().map_err(|reason| WireError::new(field, reason))
}

/// As [`parse`], for a text that may be absent.
pub fn parse_optional<T: FromStr<Err: Display>>(field: &str, text: Option<&str>) -> Result<Option<T>, WireError> {
    text.map(|text| parse(field, text)).transpose()
}

/// A user-given name, with the word for its kind in the error.
pub fn name(field: &str, kind: NameKind, text: &str) -> Result<model::Name, WireError> {
    model::Name::parse(kind, text).map_err(|reason| WireError::new(field, reason))
}

/// A number that must fit, and be in range, for the narrower type of the model.
pub fn narrow<T: TryFrom<N, Error: Display>, N>(field: &str, number: N) -> Result<T, WireError> {
    T::try_from(number).map_err(|reason| WireError::new(field, reason))
}

/// A port between 1 and 65535.
pub fn port(field: &str, number: u32) -> Result<u16, WireError> {
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(WireError::new(
            field,
            format_args!("port {number} is not between 1 and 65535"),
        )),
    }
}

/// A message within a message, which must be there.
pub fn message<M: TryFrom<P, Error = WireError>, P>(field: &str, part: Option<P>) -> Result<M, WireError> {
    let part = part.ok_or_else(|| WireError::new(field, "missing"))?;
    M::try_from(part).map_err(|error| error.within(field))
}

/// A message within a message, which may be absent.
pub fn optional<M: TryFrom<P, Error = WireError>, P>(field: &str, part: Option<P>) -> Result<Option<M>, WireError> {
    let convert = |part| M::try_from(part).map_err(|error| error.within(field));
    part.map(convert).transpose()
}

/// A repeated message.
pub fn list<M: TryFrom<P, Error = WireError>, P>(field: &str, parts: Vec<P>) -> Result<Vec<M>, WireError> {
    let convert = |part| M::try_from(part).map_err(|error| error.within(field));
    parts.into_iter().map(convert).collect()
}

/// The inverse of [`list`].
pub fn to_list<P: From<M>, M>(values: Vec<M>) -> Vec<P> {
    values.into_iter().map(P::from).collect()
}

/// An enumeration: a number that this version knows and that is not "unspecified".
pub fn choice<P: TryFrom<i32>, M: TryFrom<P, Error = WireError>>(field: &str, number: i32) -> Result<M, WireError> {
    let known = P::try_from(number).map_err(|_| WireError::new(field, format_args!("unknown value {number}")))?;
    M::try_from(known).map_err(|error| error.within(field))
}

/// Labels, each name once.
pub fn labels(field: &str, labels: Vec<pb::Label>) -> Result<BTreeMap<String, String>, WireError> {
    let mut map = BTreeMap::new();
    for label in labels {
        if label.name.is_empty() {
            return Err(WireError::new(field, "a label without a name"));
        }
        map.insert(label.name, label.value);
    }
    Ok(map)
}

/// The inverse of [`labels`].
pub fn to_labels(map: BTreeMap<String, String>) -> Vec<pb::Label> {
    map.into_iter().map(|(name, value)| pb::Label { name, value }).collect()
}

/// What a node says in words, without what is longer than anybody reads: the cluster keeps it.
pub fn words(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_WORDS));
    text
}

/// Nanoseconds; a span beyond 584 years is cut to that.
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Times of creation and change, which every object has.
pub fn times(created: i64, updated: i64) -> (Timestamp, Timestamp) {
    (Timestamp(created), Timestamp(updated))
}

/// Enumerations with the same variants on both sides; the message's zero value stands for "not given" and is refused.
macro_rules! choices {
    ($($name:ident { $($variant:ident),+ })+) => {$(
        impl From<model::$name> for pb::$name {
            fn from(value: model::$name) -> Self {
                match value { $(model::$name::$variant => Self::$variant),+ }
            }
        }

        impl TryFrom<pb::$name> for model::$name {
            type Error = WireError;
            fn try_from(value: pb::$name) -> Result<Self, WireError> {
                match value {
                    pb::$name::Unspecified => Err(WireError::new("", concat!("no ", stringify!($name), " given"))),
                    $(pb::$name::$variant => Ok(Self::$variant)),+
                }
            }
        }
    )+};
}

choices! {
    Protocol { Tcp, Udp }
    PublishMode { Ingress, Host }
    EndpointMode { Vip, Dnsrr }
    RestartCondition { None, OnFailure, Any }
    FailureAction { Pause, Continue, Rollback }
    UpdateOrder { StopFirst, StartFirst }
    UpdateState { Updating, Paused, Completed, RollbackStarted, RollbackPaused, RollbackCompleted, Canary }
    Overlap { Skip, Queue, Replace }
    RunOutcome { Completed, Failed, Replaced }
    PullPolicy { Missing, Always, Never }
    PayloadKind { Secret, Config }
    Propagation { Private, Rprivate, Shared, Rshared, Slave, Rslave }
    TaskState {
        New, Pending, Assigned, Accepted, Preparing, Ready, Starting, Running,
        Complete, Shutdown, Failed, Rejected, Remove, Orphaned
    }
    DesiredState { Ready, Running, Complete, Shutdown, Remove }
    Role { Worker, Manager }
    Availability { Active, Pause, Drain }
    NodeState { Unknown, Down, Ready }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_states_travel_as_their_number_plus_one() {
        for state in model::TaskState::ALL {
            let wire = pb::TaskState::from(state);
            assert_eq!(wire as i32, state as i32 + 1);
            assert_eq!(choice::<pb::TaskState, _>("state", wire as i32), Ok(state));
        }
    }

    #[test]
    fn unknown_and_unspecified_choices_name_their_field() {
        for number in [0, 99, -1] {
            let error = choice::<pb::Protocol, model::Protocol>("protocol", number).unwrap_err();
            assert_eq!(error.field, "protocol", "{error}");
        }
    }

    #[test]
    fn words_are_cut_between_two_characters() {
        assert_eq!(words("exit 1".to_owned()), "exit 1");
        let long = format!("x{}", "ä".repeat(MAX_WORDS));
        assert_eq!(words(long.clone()), long[..MAX_WORDS - 1]);
    }

    #[test]
    fn ports_are_between_1_and_65535() {
        assert_eq!(port("target", 65535), Ok(65535));
        for bad in [0, 65536, u32::MAX] {
            assert!(port("target", bad).is_err(), "{bad}");
        }
    }
}
