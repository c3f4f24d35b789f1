//! Points in time as docker's `--since` and `--until` take them: RFC 3339, seconds since 1970, or how long ago.

use model::Timestamp;

use super::duration;
use crate::failure::Failure;

/// Parses the value of `flag`. A time without an offset is UTC.
pub fn moment(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(span) = duration(flag, text) {
        return Ok(Timestamp(now.0.saturating_sub_unsigned(nanos(span))));
    }
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    seconds(text).ok_or_else(|| {
        Failure::Wrong(format!(
            "invalid argument \"{text}\" for \"{flag}\" flag: use a time like 2026-01-02T15:04:05Z, seconds since 1970, or how long ago, like 42m"
        ))
    })
}

fn nanos(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn seconds(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    Some(Timestamp(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_docker_reads_them() {
        let now = Timestamp(100_000_000_000);
        for (text, told) in [
            ("1m", 40_000_000_000),
            ("0s", 100_000_000_000),
            ("12", 12_000_000_000),
            ("12.5", 12_500_000_000),
            ("1970-01-01T00:01:00Z", 60_000_000_000),
        ] {
            assert_eq!(moment("--since", text, now).unwrap(), Timestamp(told), "{text}");
        }
        for bad in ["", "yesterday", "12.", "-3", "1970-01-01T00:61:00Z"] {
            let failure = moment("--since", bad, now).unwrap_err().to_string();
            assert!(failure.contains("--since"), "{bad}: {failure}");
        }
    }
}
