//! This host's clock beside the manager's. Nothing is decided by clocks of two hosts, but certificates begin and end by
//! them, and logs and times of tasks are read by people. Pure.

use std::time::Duration;

use model::Timestamp;

/// Clocks that differ by less agree: a welcome may have been on its way for seconds.
const TOLERANCE: Duration = Duration::from_secs(30);

/// Less is no news: what is said of the clocks stays as it is.
const NEWS: Duration = Duration::from_secs(10);

/// How far the two clocks are apart, throughout a session: either may be set meanwhile.
#[derive(Debug, Default)]
pub struct Clocks {
    /// Nanoseconds that this host's was ahead when something was said of it last.
    ahead: i64,
}

impl Clocks {
    /// What is to be said from now on, empty if the clocks agree; `None`: the same as before. A manager that does not say
    /// what its own shows (0) is no news.
    pub fn compare(&mut self, own: Timestamp, manager: Timestamp) -> Option<String> {
        let ahead = own.0.saturating_sub(manager.0);
        if manager.0 == 0 || u128::from(self.ahead.abs_diff(ahead)) < NEWS.as_nanos() {
            return None;
        }
        self.ahead = ahead;
        Some(compared(own, manager))
    }
}

/// What is wrong, in words; empty if the clocks agree.
fn compared(own: Timestamp, manager: Timestamp) -> String {
    let (ahead, behind) = (own.since(manager), manager.since(own));
    let (off, way) = match ahead >= behind {
        true => (ahead, "ahead of"),
        false => (behind, "behind"),
    };
    if off < TOLERANCE {
        return String::new();
    }
    format!(
        "the clock of this host is {} {way} the manager's: set the clocks of both hosts (NTP). Certificates may be refused \
         until then, and times in logs and lists do not fit together",
        words(off)
    )
}

/// The two largest units that are not zero; what is more than some minutes, to the minute: a message takes a while, and an
/// hour shall be called one.
fn words(span: Duration) -> String {
    let seconds = match span.as_secs() {
        few if few < 600 => few,
        many => (many + 30) / 60 * 60,
    };
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let some = units.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = some.take(2).map(|(count, unit)| format!("{count} {unit}")).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_clock_is_off_and_by_how_much() {
        let hour = 3_600_000_000_000;
        let manager = Timestamp(1_000 * hour);
        let said = |off: i64| compared(Timestamp(manager.0 + off), manager);
        assert!(said(hour).contains("is 1 h ahead of the manager's"), "{}", said(hour));
        assert!(said(-hour - 61_000_000_000).contains("is 1 h 1 min behind the manager's"));
        assert!(said(50 * hour).contains("2 d 2 h ahead"));
        assert!(
            said(2_000_000 - hour).contains("is 1 h behind"),
            "it was on its way for 2 ms"
        );
        assert!(said(45_900_000_000).contains("is 45 s ahead"));
        assert_eq!((said(0), said(29_000_000_000)), (String::new(), String::new()));
    }

    #[test]
    fn a_clock_that_is_set_during_a_session_is_noticed_and_jitter_is_not() {
        let second = 1_000_000_000;
        let manager = Timestamp(1_000_000 * second);
        let mut clocks = Clocks::default();
        let mut said = |off: i64| clocks.compare(Timestamp(manager.0 + off * second), manager);
        assert_eq!([said(0), said(-3)], [None, None]);
        assert!(said(-3600).is_some_and(|words| words.contains("1 h behind")));
        assert_eq!([said(-3601), said(-3598)], [None, None]);
        assert_eq!(said(0).as_deref(), Some(""), "it is right again");
        assert!(said(3600).is_some_and(|words| words.contains("1 h ahead of")));
        let old = Clocks::default().compare(manager, Timestamp(0));
        assert_eq!(old, None, "an older manager says nothing");
    }
}
