//! This host's clock beside the manager's. Nothing is decided by clocks of two hosts, but certificates begin and end by
//! them, and logs and times of tasks are read by people. Pure.

use std::time::Duration;

use model::Timestamp;

/// Clocks that differ by less agree: a welcome may have been on its way for seconds.
const TOLERANCE: Duration = Duration::from_secs(30);

/// What is wrong, in words; empty if the clocks agree, or if the manager does not say what its own shows (0).
pub fn compared(own: Timestamp, manager: Timestamp) -> String {
    let (ahead, behind) = (own.since(manager), manager.since(own));
    let (off, way) = match ahead >= behind {
        true => (ahead, "ahead of"),
        false => (behind, "behind"),
    };
    if manager.0 == 0 || off < TOLERANCE {
        return String::new();
    }
    format!(
        "the clock of this host is {} {way} the manager's: set the clocks of both hosts (NTP). Certificates may be refused \
         until then, and times in logs and lists do not fit together",
        words(off)
    )
}

/// The two largest units that are not zero.
fn words(span: Duration) -> String {
    let seconds = span.as_secs();
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
        assert_eq!((said(0), said(29_000_000_000)), (String::new(), String::new()));
        assert_eq!(compared(manager, Timestamp(0)), "", "an older manager says nothing");
    }
}
