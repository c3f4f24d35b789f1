//! How results are taken and told.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Prints one measured value.
pub fn tell(name: &str, value: f64, unit: &str) {
    println!("{name} {value:.3} {unit}");
}

/// `count` things took `time`: their rate, per second.
pub fn rate(name: &str, count: usize, time: Duration) {
    tell(name, count as f64 / time.as_secs_f64(), "1/s");
}

/// The share of `times` that `part` (0 to 1) of them do not exceed, in milliseconds. Sorts them.
pub fn percentile(name: &str, times: &mut [Duration], part: f64) {
    times.sort_unstable();
    let at = ((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1));
    let time = times.get(at).copied().unwrap_or_default();
    tell(name, time.as_secs_f64() * 1e3, "ms");
}

/// How long this thread has run so far.
pub fn processor_time() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().context("schedstat is empty")?;
    Ok(Duration::from_nanos(first.parse()?))
}

/// Resident memory of this process, in MiB.
pub fn resident() -> Result<f64> {
    memory("self", "VmRSS:")
}

/// A field of a process' status (`VmRSS:` is what it has now, `VmHWM:` the most that it had), in MiB.
pub fn memory(process: &str, field: &str) -> Result<f64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.with_context(|| format!("no {field} in {path}"))?.parse::<f64>()? / 1024.0)
}
