//! One key as it should be: a value and a version that every write raises.

use crate::history::Event;

/// The value, and what is known of its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// Written last.
    pub value: u64,
    /// Made by that write.
    pub version: Version,
}

/// A write whose answer never came has made a version that nobody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// This one.
    Is(u64),
    /// Some version above this one.
    Above(u64),
}

impl Version {
    fn may_be(self, version: u64) -> bool {
        match self {
            Self::Is(known) => known == version,
            Self::Above(known) => version > known,
        }
    }
}

impl Register {
    /// A register that shows `value` at `version`.
    pub fn new(version: u64, value: u64) -> Self {
        Self {
            value,
            version: Version::Is(version),
        }
    }

    /// The register after `event` took effect on it; none if it could not have answered so.
    pub fn step(self, event: &Event) -> Option<Self> {
        match *event {
            Event::Read { version, value, .. } => {
                (self.value == value && self.version.may_be(version)).then(|| Self::new(version, value))
            }
            Event::Written {
                expected,
                value,
                version,
                ..
            } => self.written(expected, value, version),
            Event::Unknown { expected, value } => self.written(expected, value, None),
            Event::Refused { expected, .. } => (self.version != Version::Is(expected)).then_some(self),
            Event::Missing { .. } => None,
        }
    }

    fn written(self, expected: u64, value: u64, version: Option<u64>) -> Option<Self> {
        if !self.version.may_be(expected) {
            return None;
        }
        let version = match version {
            Some(version) if version > expected => Version::Is(version),
            Some(_) => return None,
            None => Version::Above(expected),
        };
        Some(Self { value, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: u64, value: u64) -> Event {
        Event::Read {
            version,
            value,
            back: 0,
        }
    }

    fn written(expected: u64, value: u64, version: Option<u64>) -> Event {
        Event::Written {
            expected,
            value,
            version,
            back: 0,
        }
    }

    const REFUSED: Event = Event::Refused { expected: 5, back: 0 };

    #[test]
    fn a_read_shows_what_is_there() {
        let register = Register::new(5, 50);
        assert_eq!(register.step(&read(5, 50)), Some(register));
        assert_eq!(register.step(&read(5, 51)), None);
        assert_eq!(register.step(&read(4, 50)), None);
    }

    #[test]
    fn a_write_needs_the_version_it_expects_and_raises_it() {
        let register = Register::new(5, 50);
        assert_eq!(register.step(&written(5, 60, Some(6))), Some(Register::new(6, 60)));
        assert_eq!(register.step(&written(4, 60, Some(6))), None);
        assert_eq!(register.step(&written(5, 60, Some(5))), None);
    }

    #[test]
    fn a_refusal_means_another_version() {
        assert_eq!(Register::new(5, 50).step(&REFUSED), None);
        assert_eq!(Register::new(6, 60).step(&REFUSED), Some(Register::new(6, 60)));
    }

    #[test]
    fn a_register_is_never_missing() {
        assert_eq!(Register::new(5, 50).step(&Event::Missing { back: 0 }), None);
    }

    #[test]
    fn a_version_that_nobody_was_told_is_learnt_by_the_next_read() {
        let unknown = Event::Unknown { expected: 5, value: 60 };
        let register = Register::new(5, 50).step(&unknown).unwrap();
        assert_eq!(register.step(&read(9, 60)), Some(Register::new(9, 60)));
        assert_eq!(register.step(&read(5, 60)), None);
        assert_eq!(register.step(&REFUSED), Some(register));
    }
}
