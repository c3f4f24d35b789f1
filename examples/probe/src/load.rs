//! A steady client: 20 requests a second, one connection each, for a while.

use mini::http::request;
use std::collections::BTreeMap;
use std::io::Result;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(50);

/// Prints how many requests went well, how many failed, of what, and the
/// longest time without a good answer. Failures are figures here, not errors.
///
/// # Errors
/// None so far; the caller's commands all return a result.
pub fn run(host: &str, port: u16, path: &str, seconds: u16) -> Result<()> {
    let start = Instant::now();
    let (mut good, mut last_good, mut outage) = (0u32, Instant::now(), Duration::ZERO);
    let mut failures = BTreeMap::<String, u32>::new();
    while start.elapsed() < Duration::from_secs(seconds.into()) {
        let sent = Instant::now();
        match request("GET", host, port, path, &[], "") {
            Ok((200, _)) => {
                good += 1;
                outage = outage.max(last_good.elapsed());
                last_good = Instant::now();
            }
            Ok((status, body)) => *failures.entry(format!("{status} {}", body.trim())).or_default() += 1,
            Err(error) => *failures.entry(error.to_string()).or_default() += 1,
        }
        std::thread::sleep(PERIOD.saturating_sub(sent.elapsed()));
    }
    println!("good {good}\nfailed {}", failures.values().sum::<u32>());
    println!("longest_outage_ms {}", outage.max(last_good.elapsed()).as_millis());
    for (failure, count) in failures.iter().take(5) {
        println!("failure {count} x {failure}");
    }
    Ok(())
}
