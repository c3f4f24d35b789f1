//! Pulls under way: who wants the same image with the same credentials waits for the same pull.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::RuntimeError;
use crate::runtime::Waiter;

/// How a pull is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pull {
    /// How far, in words.
    Going(String),
    /// It has ended.
    Done(Result<(), RuntimeError>),
}

impl Pull {
    /// Other words for how far it is; whether they differ.
    pub(super) fn say(&mut self, words: String) -> bool {
        let said = Self::Going(words);
        let differs = *self != said;
        *self = said;
        differs
    }
}

/// Where a pull says how far it is.
pub(super) type Said = Arc<watch::Sender<Pull>>;
/// Image and credentials.
type Key = (String, Option<String>);

/// See the module. The lock is held for an instant only.
#[derive(Clone, Default)]
pub(super) struct Pulls {
    under_way: Arc<Mutex<BTreeMap<Key, watch::Receiver<Pull>>>>,
}

impl Pulls {
    /// The pull of `key` that is under way, or the one that `begin` makes. It goes on although nobody waits any more:
    /// the next attempt of a task finds the image.
    pub(super) fn join<F>(&self, key: Key, begin: impl FnOnce(Said) -> F) -> watch::Receiver<Pull>
    where
        F: Future<Output = Result<(), RuntimeError>> + Send + 'static,
    {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pull) = under_way.get(&key) {
            return pull.clone();
        }
        let said = Arc::new(watch::Sender::new(Pull::Going("pulling image".to_owned())));
        let pull = said.subscribe();
        under_way.insert(key.clone(), pull.clone());
        let (work, pulls) = (begin(said.clone()), self.clone());
        tokio::spawn(async move {
            let outcome = work.await;
            // First forgotten, then ended: whoever comes after the end begins another.
            let mut under_way = pulls.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.remove(&key);
            drop(under_way);
            said.send_replace(Pull::Done(outcome));
        });
        pull
    }
}

/// Waits until a pull has ended, unless it is wanted no more: one that hangs holds up nobody who goes.
pub(super) async fn wait(mut pull: watch::Receiver<Pull>, waiter: Waiter<'_>) -> Result<(), RuntimeError> {
    let mut unwanted = waiter.unwanted.clone();
    loop {
        let now = pull.borrow_and_update().clone();
        match now {
            Pull::Done(outcome) => return outcome,
            Pull::Going(words) => (waiter.say)(&words),
        }
        tokio::select! {
            changed = pull.changed() => {
                changed.map_err(|_| RuntimeError::Engine("the pull was given up".to_owned()))?;
            }
            Ok(_) = unwanted.wait_for(|unwanted| *unwanted) => return Err(RuntimeError::Unwanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_pull_that_hangs_is_waited_for_as_long_as_it_is_wanted() {
        let pull = Pulls::default().join(("nginx".to_owned(), None), |_| std::future::pending());
        let (tell, unwanted) = watch::channel(false);
        let (said, heard) = oneshot::channel();
        let waiting = tokio::spawn(async move {
            let said = Mutex::new(Some(said));
            let say = |_: &str| {
                let _ = said.lock().unwrap().take().map(|said| said.send(()));
            };
            let waiter = Waiter {
                say: &say,
                unwanted: &unwanted,
            };
            wait(pull, waiter).await
        });
        heard.await.unwrap();
        assert!(!waiting.is_finished());
        tell.send_replace(true);
        assert_eq!(waiting.await.unwrap(), Err(RuntimeError::Unwanted));
    }

    #[tokio::test]
    async fn an_image_is_pulled_once_for_all_who_wait_and_again_later() {
        let (pulls, begun) = (Pulls::default(), Arc::new(AtomicU32::new(0)));
        let key = || ("nginx".to_owned(), None);
        let (end, ended) = oneshot::channel::<()>();
        let count = begun.clone();
        let first = pulls.join(key(), |_| async move {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = ended.await;
            Err(RuntimeError::Engine("no route".to_owned()))
        });
        let others: Vec<_> = (0..30)
            .map(|_| pulls.join(key(), |_| async { unreachable!("one is under way") }))
            .collect();
        end.send(()).unwrap();
        for mut pull in others.into_iter().chain([first]) {
            let done = pull
                .wait_for(|pull| matches!(pull, Pull::Done(_)))
                .await
                .unwrap()
                .clone();
            assert_eq!(done, Pull::Done(Err(RuntimeError::Engine("no route".to_owned()))));
        }
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        let mut again = pulls.join(key(), |_| async { Ok(()) });
        again.wait_for(|pull| *pull == Pull::Done(Ok(()))).await.unwrap();
    }
}
