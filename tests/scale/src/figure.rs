//! How results are told.

use std::time::Duration;

/// Prints one measured value.
pub fn tell(name: &str, value: f64, unit: &str) {
    println!("{name} {value:.3} {unit}");
}

/// `count` things took `time`: their rate, per second.
pub fn rate(name: &str, count: usize, time: Duration) {
    tell(name, count as f64 / time.as_secs_f64(), "1/s");
}
