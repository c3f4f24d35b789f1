//! What a manager's answer says about a register.
//!
//! Every register was made before the first call and is never removed: an answer that denies it is as wrong as a stale
//! value, and is recorded as such.

use linearizability::history::Event;
use tonic::{Code, Status};
use wire::pb;

use crate::registers;

/// What a read's answer shows; none if nothing was answered.
pub fn of_read(answer: Result<pb::ListServicesResponse, Status>, back: u64) -> Option<Event> {
    match answer {
        Ok(list) => {
            let shown = list.services.first().and_then(|service| registers::shown(service).ok());
            Some(shown.map_or(Event::Missing { back }, |(version, value)| Event::Read {
                version,
                value,
                back,
            }))
        }
        Err(status) if status.code() == Code::NotFound => Some(Event::Missing { back }),
        Err(_) => None,
    }
}

/// What the answer to a write of `value` on top of `expected` says, and the version that it shows.
pub fn of_write(expected: u64, value: u64, answer: Result<pb::Service, Status>, back: u64) -> (Event, Option<u64>) {
    let event = match answer {
        Ok(service) => return acknowledged(expected, value, &service, back),
        // Read anew before the next write to it: the version seen is of no use any more.
        Err(status) if out_of_sequence(&status) => Event::Refused { expected, back },
        Err(status) if status.code() == Code::NotFound => Event::Missing { back },
        Err(_) => Event::Unknown { expected, value },
    };
    (event, None)
}

/// The answer shows the service as it is now: of this write only if its value is.
fn acknowledged(expected: u64, value: u64, service: &pb::Service, back: u64) -> (Event, Option<u64>) {
    let Ok((now, shown)) = registers::shown(service) else {
        return (Event::Missing { back }, None);
    };
    let event = Event::Written {
        expected,
        value,
        version: (shown == value).then_some(now),
        back,
    };
    (event, Some(now))
}

/// The object had another version; any other failure but a denial leaves open what happened.
fn out_of_sequence(status: &Status) -> bool {
    status.code() == Code::FailedPrecondition && status.message().starts_with("update out of sequence")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: Event = Event::Missing { back: 9 };

    fn service(version: u64, value: u64) -> pb::Service {
        pb::Service {
            version,
            spec: Some(registers::spec(3, value).unwrap()),
            ..Default::default()
        }
    }

    fn list(services: Vec<pb::Service>) -> Result<pb::ListServicesResponse, Status> {
        Ok(pb::ListServicesResponse {
            services,
            ..Default::default()
        })
    }

    fn written(version: Option<u64>) -> Event {
        Event::Written {
            expected: 4,
            value: 50,
            version,
            back: 9,
        }
    }

    #[test]
    fn a_read_that_denies_the_register_is_wrong_and_not_without_an_answer() {
        let read = Event::Read {
            version: 5,
            value: 50,
            back: 9,
        };
        assert_eq!(of_read(list(vec![service(5, 50)]), 9), Some(read));
        assert_eq!(of_read(Err(Status::not_found("no such service")), 9), Some(MISSING));
        assert_eq!(of_read(list(Vec::new()), 9), Some(MISSING));
        assert_eq!(of_read(list(vec![pb::Service::default()]), 9), Some(MISSING));
        assert_eq!(of_read(Err(Status::unavailable("no leader")), 9), None);
    }

    #[test]
    fn a_write_that_is_denied_the_register_is_wrong_and_not_unknown() {
        let unknown = Event::Unknown { expected: 4, value: 50 };
        let write = |answer| of_write(4, 50, answer, 9);
        assert_eq!(write(Ok(service(5, 50))), (written(Some(5)), Some(5)));
        assert_eq!(write(Ok(service(6, 60))), (written(None), Some(6)));
        assert_eq!(write(Err(Status::not_found("no such service"))), (MISSING, None));
        assert_eq!(write(Ok(pb::Service::default())), (MISSING, None));
        assert_eq!(write(Err(Status::unavailable("no leader"))), (unknown, None));
        let refused = Event::Refused { expected: 4, back: 9 };
        let status = Status::failed_precondition("update out of sequence");
        assert_eq!(write(Err(status)), (refused, None));
    }
}
