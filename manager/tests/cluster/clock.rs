//! Machines whose clocks are off: what they hear when they come, and that they cost nothing.

use std::{sync::Arc, time::Duration};

use manager::{ManagerHandle, NodeCredentials};
use model::Role;
use peer::{Accept, ConnectError};
use rustls::{pki_types::UnixTime, time_provider::TimeProvider};

use crate::node::{bootstrap, join};

const HOUR: i64 = 3600;

/// A clock that is off by so many seconds.
#[derive(Debug)]
struct Shifted(i64);

impl TimeProvider for Shifted {
    fn current_time(&self) -> Option<UnixTime> {
        let now = i64::try_from(UnixTime::now().as_secs()).ok()?;
        let shifted = u64::try_from(now + self.0).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(shifted)))
    }
}

/// Calls the manager by a clock that is off, as a machine does that joins.
async fn call(manager: &ManagerHandle, credentials: &NodeCredentials, off: i64) -> Result<(), ConnectError> {
    let config = peer::client_config(&Accept::Manager(&credentials.root_pem), None).unwrap();
    let mut config = (*config).clone();
    config.time_provider = Arc::new(Shifted(off));
    let addr = manager.listen_addr().to_string();
    peer::connect(&addr, Arc::new(config)).await.map(drop)
}

#[tokio::test]
async fn a_clock_that_is_off_by_an_hour_does_no_harm_and_one_that_is_worse_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, credentials) = bootstrap(folder.path()).await;
    for off in [HOUR, -HOUR + 120] {
        call(&manager, &credentials, off).await.unwrap();
    }
    for (off, words) in [
        (
            -3 * HOUR - 30,
            "the clock of this host is at least 2 h 0 min behind the manager's",
        ),
        (100 * 24 * HOUR, "the clock is ahead"),
    ] {
        let refused = call(&manager, &credentials, off).await.unwrap_err().to_string();
        assert!(refused.contains(words) && refused.contains("NTP"), "{refused}");
    }
    assert_eq!(manager.view().nodes().count(), 1, "nobody has come");
    let token = manager.join_token(Role::Worker).unwrap();
    join(manager.listen_addr(), &token).await.unwrap();
    assert_eq!(manager.view().nodes().count(), 2);
    manager.shutdown().await;
}
