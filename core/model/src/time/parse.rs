//! Times as people and the engine write them.

use std::str::FromStr;

use super::{Timestamp, civil};

/// A text that is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTime;

impl FromStr for Timestamp {
    type Err = NoTime;

    /// RFC 3339. Seconds, the time of day and the offset may be left out: then they are zero, and the offset is UTC's.
    fn from_str(text: &str) -> Result<Self, NoTime> {
        parse(text).ok_or(NoTime)
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-', &[4, 2, 2])?[..] else {
        return None;
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    let (of_day, nanos) = match rest.strip_prefix(['T', 't', ' ']) {
        Some(rest) => time_of_day(rest)?,
        None if rest.is_empty() => (0, 0),
        None => return None,
    };
    let seconds = days * 86_400 + of_day;
    Some(Timestamp(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

/// Seconds since midnight in UTC, and nanoseconds.
fn time_of_day(text: &str) -> Option<(i64, i64)> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, "Z"),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts = match clock.len() {
        5 => numbers(&format!("{clock}:00"), ':', &[2, 2, 2]),
        _ => numbers(clock, ':', &[2, 2, 2]),
    };
    let [hour, minute, second] = parts?[..] else {
        return None;
    };
    let well = hour < 24 && minute < 60 && second < 60 && fraction.len() <= 9;
    let nanos = match fraction {
        "" => 0,
        _ => numbers(&format!("{fraction:0<9}"), '.', &[9])?[0],
    };
    let ahead = match offset.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign @ ("+" | "-"), span) => {
            let span = numbers(span, ':', &[2, 2])?;
            (span[0] * 3600 + span[1] * 60) * if sign == "-" { -1 } else { 1 }
        }
        _ => return None,
    };
    well.then_some((hour * 3600 + minute * 60 + second - ahead, nanos))
}

/// Numbers of the given counts of digits, parted by a sign.
fn numbers(text: &str, sign: char, digits: &[usize]) -> Option<Vec<i64>> {
    let parts: Vec<&str> = text.split(sign).collect();
    let lengths = parts.iter().map(|part| part.len());
    let all_digits = parts.iter().all(|part| part.bytes().all(|c| c.is_ascii_digit()));
    if !all_digits || !lengths.eq(digits.iter().copied()) {
        return None;
    }
    parts.iter().map(|part| part.parse().ok()).collect()
}

/// The other way round (ibid., `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rfc_3339_and_what_of_it_people_type() {
        for (text, told) in [
            ("1970-01-01T00:00:00.000000000Z", 0),
            ("2024-02-29T12:34:56.000000007Z", 1_709_210_096_000_000_007),
            ("2024-02-29T12:34:56.5+01:30", 1_709_204_696_500_000_000),
            ("2024-02-29T12:34", 1_709_210_040_000_000_000),
            ("2024-02-29", 1_709_164_800_000_000_000),
            ("1969-12-31T23:59:59.999999999Z", -1),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(told)), "{text}");
        }
        for bad in [
            "",
            "2024",
            "2023-02-29",
            "2024-13-01",
            "2024-02-29T",
            "2024-02-29T25:00:00Z",
            "2024-02-29T1:00:00Z",
            "2024-02-29T12:00:00.Z1",
            "2024-02-29T12:00:00+1",
            "2024-02-2\u{e9}",
            "9999-01-01",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(NoTime), "{bad}");
        }
    }
}
