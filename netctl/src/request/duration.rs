//! Durations as Go writes them, which is what docker's flags take: `10s`, `1m30s`, `500ms`, `1.5h`.

use std::time::Duration;

use crate::failure::Failure;

const UNITS: [(&str, f64); 7] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Parses the value of `flag`.
pub fn duration(flag: &str, text: &str) -> Result<Duration, Failure> {
    parse(text).ok_or_else(|| {
        Failure::Wrong(format!(
            "invalid argument \"{text}\" for \"{flag}\" flag: use a duration like 10s, 500ms or 1m30s"
        ))
    })
}

fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    // Go's durations end at 2^63 nanoseconds.
    (!text.is_empty() && nanos < i64::MAX as f64).then(|| Duration::from_nanos(nanos.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("7ns", 7),
            ("500ms", 500_000_000),
            ("1.5s", 1_500_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn others_are_refused_with_the_flag() {
        for bad in ["", "10", "s", "1x", "-1s", "1s2", ".", "1.2.3s", "9999999999h"] {
            let failure = duration("--restart-delay", bad).unwrap_err().to_string();
            assert!(failure.contains("--restart-delay"), "{bad}: {failure}");
        }
    }
}
