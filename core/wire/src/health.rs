//! Health checks and probes.

use std::time::Duration;

use model::{HealthCheck, HealthTest, Probe};

use crate::{
    WireError, pb,
    scalar::{nanos, parse},
};

fn to_test(test: HealthTest) -> Vec<String> {
    let behind = |word: &str, rest: Vec<String>| [vec![word.to_owned()], rest].concat();
    match test {
        HealthTest::Image => Vec::new(),
        HealthTest::None => behind("NONE", Vec::new()),
        HealthTest::Exec(words) => behind("CMD", words),
        HealthTest::Shell(line) => behind("CMD-SHELL", vec![line]),
    }
}

fn test(mut words: Vec<String>) -> Result<HealthTest, WireError> {
    if words.is_empty() {
        return Ok(HealthTest::Image);
    }
    let kind = words.remove(0);
    match (kind.as_str(), words.as_slice()) {
        ("NONE", []) => Ok(HealthTest::None),
        ("CMD", [_, ..]) => Ok(HealthTest::Exec(words)),
        ("CMD-SHELL", [line]) => Ok(HealthTest::Shell(line.clone())),
        _ => Err(WireError::new(
            "test",
            "use NONE, or CMD and words, or CMD-SHELL and one line",
        )),
    }
}

impl From<HealthCheck> for pb::HealthCheck {
    fn from(health: HealthCheck) -> Self {
        Self {
            test: to_test(health.test),
            interval: health.interval.map(nanos),
            timeout: health.timeout.map(nanos),
            retries: health.retries,
            start_period: health.start_period.map(nanos),
            start_interval: health.start_interval.map(nanos),
        }
    }
}

impl TryFrom<pb::HealthCheck> for HealthCheck {
    type Error = WireError;
    fn try_from(health: pb::HealthCheck) -> Result<Self, WireError> {
        Ok(Self {
            test: test(health.test)?,
            interval: health.interval.map(Duration::from_nanos),
            timeout: health.timeout.map(Duration::from_nanos),
            retries: health.retries,
            start_period: health.start_period.map(Duration::from_nanos),
            start_interval: health.start_interval.map(Duration::from_nanos),
        })
    }
}

impl From<Probe> for pb::Probe {
    fn from(probe: Probe) -> Self {
        Self {
            target: probe.target.to_string(),
            interval: nanos(probe.interval),
            timeout: nanos(probe.timeout),
            failures: probe.failures,
            start_period: nanos(probe.start_period),
        }
    }
}

impl TryFrom<pb::Probe> for Probe {
    type Error = WireError;
    fn try_from(probe: pb::Probe) -> Result<Self, WireError> {
        Ok(Self {
            target: parse("target", &probe.target)?,
            interval: Duration::from_nanos(probe.interval),
            timeout: Duration::from_nanos(probe.timeout),
            failures: probe.failures,
            start_period: Duration::from_nanos(probe.start_period),
        })
    }
}
