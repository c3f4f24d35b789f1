//! Keeps the node's certificate fresh: a new key and certificate somewhere between half and four fifths of its life.
//!
//! Spread, as in Swarm, so that nodes that joined together do not renew together. The new identity is on disk before
//! anybody uses it; running sessions keep the old one until they end.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::watch, task::JoinHandle};

use peer::{Subject, Validity};

use super::{Identity, JoinError, renew};
use crate::session::SessionState;

/// Longest sleep: the wall clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(3600);
/// Between two renewals, also where clocks disagree so much that a new certificate is due at once.
const RETRY: Duration = Duration::from_secs(60);

/// Renews `identity` when it is due, until the handle is aborted.
pub(crate) fn keep_fresh(
    identity: watch::Sender<Identity>,
    session: watch::Receiver<SessionState>,
    data_root: PathBuf,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let share = dice();
        loop {
            let current = identity.borrow().clone();
            let wait = Subject::validity(&current.certificate_pem).map(|life| due(life, share, now()));
            match wait {
                Ok(wait) if !wait.is_zero() => {
                    tokio::time::sleep(wait.min(LOOK)).await;
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the life of the certificate is not known"),
            }
            let manager = session.borrow().manager.clone();
            let renewed = match manager {
                Some(manager) => replace(&current, &manager, &data_root).await,
                None => Err("no session with a manager".to_owned()),
            };
            match renewed {
                Ok(renewed) => drop(identity.send_replace(renewed)),
                Err(reason) => tracing::warn!(%reason, "the certificate could not be renewed, trying again"),
            }
            tokio::time::sleep(RETRY).await;
        }
    })
}

async fn replace(current: &Identity, manager: &str, data_root: &std::path::Path) -> Result<Identity, String> {
    let renewed = async {
        let channel = current.connect(manager).await?;
        let renewed = renew(current, channel).await?;
        renewed.save(data_root)?;
        Ok::<_, JoinError>(renewed)
    };
    renewed.await.map_err(|error| error.to_string())
}

/// How long until renewal; `share` (0 to 255) says where between 50 % and 80 % of the life.
fn due(life: Validity, share: u8, now: i64) -> Duration {
    let span = life.not_after.saturating_sub(life.not_before).max(0);
    let at = life.not_before + span / 2 + span * 3 / 10 * i64::from(share) / 255;
    Duration::from_secs(u64::try_from(at - now).unwrap_or(0))
}

fn dice() -> u8 {
    let mut byte = [0];
    // Without dice, the middle will do.
    getrandom::fill(&mut byte).map_or(127, |()| byte[0])
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_between_half_and_four_fifths_of_its_life() {
        let life = Validity {
            not_before: 1000,
            not_after: 2000,
        };
        assert_eq!(due(life, 0, 1000), Duration::from_secs(500));
        assert_eq!(due(life, 255, 1000), Duration::from_secs(800));
        assert_eq!(due(life, 255, 1900), Duration::ZERO, "overdue is now");
    }
}
