//! The data keys of this manager on its disk, kept in step with the cluster's unlock key: when that appears, changes or
//! goes, there is a fresh data key, and all keys are kept under the new unlock key.

use std::time::Duration;

use model::Cluster;
use seal::{KeyFile, KeyFileError, Keyring, Keys, UnlockKey};
use store::View;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use crate::raft::Published;

/// Between two looks, and after a write that failed.
const LOOK: Duration = Duration::from_secs(5);

/// The cluster's unlock key; `None` while autolock is off.
pub(crate) fn of_cluster(cluster: &Cluster) -> Option<UnlockKey> {
    cluster.secrets.unlock_key.parse().ok()
}

/// The key file's one writer.
pub(crate) struct Autolock {
    file: KeyFile,
    keyring: Keyring,
    /// Under which the file is now.
    unlock: watch::Sender<Option<UnlockKey>>,
}

impl Autolock {
    /// Of a new manager: a fresh data key.
    pub(crate) fn create(file: KeyFile, unlock: Option<UnlockKey>) -> Result<Self, KeyFileError> {
        let keys = Keys::fresh();
        file.save(&keys, unlock.as_ref())?;
        Ok(Self::of(file, keys, unlock))
    }

    /// Of a manager that was here before.
    pub(crate) fn open(file: KeyFile, unlock: Option<UnlockKey>) -> Result<Self, KeyFileError> {
        let keys = file.load(unlock.as_ref())?;
        let unlock = unlock.filter(|_| file.is_locked().unwrap_or(true));
        Ok(Self::of(file, keys, unlock))
    }

    fn of(file: KeyFile, keys: Keys, unlock: Option<UnlockKey>) -> Self {
        Self {
            file,
            keyring: Keyring::new(keys),
            unlock: watch::Sender::new(unlock),
        }
    }

    /// For who seals.
    pub(crate) fn keyring(&self) -> Keyring {
        self.keyring.clone()
    }

    /// The unlock key that holds on this manager's disk.
    pub(crate) fn unlock(&self) -> watch::Receiver<Option<UnlockKey>> {
        self.unlock.subscribe()
    }

    /// Follows the state until the manager stops.
    pub(crate) async fn follow(self, mut published: watch::Receiver<Published>) {
        loop {
            let view = published.borrow_and_update().view.clone();
            if let Err(why) = self.keep(&view).await {
                tracing::error!(%why, "the key file is not as the cluster wants it, trying again");
            }
            tokio::select! {
                changed = published.changed() => if changed.is_err() { return },
                () = sleep(LOOK) => {}
            }
        }
    }

    /// Brings the file to what the state says, if it differs.
    async fn keep(&self, view: &View) -> Result<(), KeyFileError> {
        let Some(cluster) = view.cluster() else { return Ok(()) };
        let (wanted, current) = (of_cluster(cluster), self.unlock.borrow().clone());
        let keys = self.keyring.keys();
        let oldest = self.keyring.oldest_in_use();
        let next = match wanted == current {
            false => keys.rotated(),
            true => keys.from(oldest),
        };
        if next == *keys {
            return Ok(());
        }
        let (file, kept, unlock) = (self.file.clone(), next.clone(), wanted.clone());
        let saved = spawn_blocking(move || file.save(&kept, unlock.as_ref())).await;
        // The task neither panics nor is cancelled; at shutdown nobody asks any more.
        let Ok(saved) = saved else { return Ok(()) };
        saved?;
        // On disk first: nothing may be sealed under a key that a restart would not have.
        self.keyring.replace(next);
        if wanted != current {
            self.unlock.send_replace(wanted);
        }
        Ok(())
    }
}
