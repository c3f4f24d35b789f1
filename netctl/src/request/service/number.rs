//! Numbers as docker's flags take them.

use model::{Canary, Ratio};

use crate::failure::Failure;

/// What `flag` was given cannot be read.
pub fn invalid(flag: &str, text: &str, way: &str) -> Failure {
    Failure::Wrong(format!("invalid argument \"{text}\" for \"{flag}\" flag: {way}"))
}

/// Bytes with a unit of 1024 (`b`, `k`, `m`, `g`, `t`, each with an optional `b` or `ib`), `64m`.
///
/// # Errors
/// A text that is no such number, or one beyond 2^63.
pub fn bytes(flag: &str, text: &str) -> Result<i64, Failure> {
    let wrong = || invalid(flag, text, "use a number of bytes like 64m or 1.5g");
    let lower = text.trim().to_ascii_lowercase();
    let end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let unit = unit.trim();
    let unit = unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(unit);
    let power = ["", "k", "m", "g", "t"].iter().position(|name| *name == unit);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * 1024f64.powi(power.ok_or_else(wrong)? as i32);
    (bytes < i64::MAX as f64).then_some(bytes as i64).ok_or_else(wrong)
}

/// `-1` for no limit, or bytes.
pub fn bytes_or_unlimited(flag: &str, text: &str) -> Result<i64, Failure> {
    if text == "-1" { Ok(-1) } else { bytes(flag, text) }
}

/// Cores as a decimal number, `0.5`, in 10^-9 of a core.
///
/// # Errors
/// A text that is no such number, or more than nine digits behind the point.
pub fn nano_cpus(flag: &str, text: &str) -> Result<i64, Failure> {
    let wrong = || {
        invalid(
            flag,
            text,
            "use a number of cores like 0.5, with at most 9 digits behind the point",
        )
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 || (whole.is_empty() && part.is_empty()) {
        return Err(wrong());
    }
    let number: i64 = format!("{whole}{part:0<9}").parse().map_err(|_| wrong())?;
    Ok(number)
}

/// A share between 0 and 1.
pub fn ratio(flag: &str, share: f64) -> Result<Ratio, Failure> {
    if !(0.0..=1.0).contains(&share) {
        return Err(invalid(flag, &share.to_string(), "a ratio is between 0 and 1"));
    }
    Ok(Ratio::new((share * f64::from(Ratio::WHOLE)).round() as u32)?)
}

/// The share of a canary, as `10%` or `0.1`.
pub fn canary_share(text: &str) -> Result<Ratio, Failure> {
    let number = |text: &str, scale: f64| text.trim().parse().map(|number: f64| number / scale).ok();
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent, 100.0),
        None => number(text, 1.0),
    };
    let wrong = || invalid("--canary", text, "use a share between 1% and 99%, as 10% or 0.1");
    let share = share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(wrong)?;
    let share = ratio("--canary", share)?;
    Canary::new(share, 0).map(|canary| canary.share).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units_of_1024() {
        for (text, number) in [
            ("0", 0),
            ("10b", 10),
            ("64m", 64 << 20),
            ("1.5G", 3 << 29),
            ("2KiB", 2048),
        ] {
            assert_eq!(bytes("--limit-memory", text).unwrap(), number, "{text}");
        }
        for bad in ["", "m", "1x", "-1", "9999999t"] {
            assert!(
                bytes("--limit-memory", bad)
                    .unwrap_err()
                    .to_string()
                    .contains("--limit-memory")
            );
        }
        assert_eq!(bytes_or_unlimited("--memory-swap", "-1").unwrap(), -1);
    }

    #[test]
    fn cores_are_decimal_and_exact() {
        for (text, number) in [
            ("1", 1_000_000_000),
            (".5", 500_000_000),
            ("0.000000001", 1),
            ("2.", 2_000_000_000),
        ] {
            assert_eq!(nano_cpus("--limit-cpu", text).unwrap(), number, "{text}");
        }
        for bad in ["", ".", "-1", "1e3", "0.0000000001"] {
            assert!(nano_cpus("--limit-cpu", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_canary_has_a_share_in_per_cent_or_as_a_fraction() {
        for (text, parts) in [
            ("10%", 100_000),
            ("0.1", 100_000),
            ("1%", 10_000),
            ("12.5%", 125_000),
            ("99%", 990_000),
        ] {
            assert_eq!(canary_share(text).unwrap().parts_per_million(), parts, "{text}");
        }
        for bad in ["0%", "100%", "0.999", "10", "1", "-1%", "x", "", "%", "NaN"] {
            let words = canary_share(bad).unwrap_err().to_string();
            assert!(
                words.contains("\"--canary\"") && words.contains("between 1% and 99%"),
                "{bad}: {words}"
            );
        }
    }

    #[test]
    fn shares_are_between_0_and_1() {
        assert_eq!(ratio("--x", 0.3).unwrap().parts_per_million(), 300_000);
        assert!(ratio("--x", 1.1).is_err() && ratio("--x", f64::NAN).is_err());
    }
}
