//! Logs of this node's tasks, sent to whoever reads them: the managers' wishes come with the session, each is served by
//! a task of its own over a connection of its own.
//!
//! What must stay true: all that waits is bounded, so a reader who is slow holds up the engine's side and nothing else;
//! what the managers do not wish any more ends, and all of it with the session.

mod publish;
mod readers;
mod source;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use wire::pb;

use self::{
    publish::{Publisher, Target},
    readers::Wished,
};
use crate::{identity::Identity, runtime::Runtime};

/// A wish, and which try to serve it.
type Key = (String, u32);

/// What is being sent to one manager. Everything ends when it is dropped.
pub struct Publishers {
    engine: Arc<dyn Runtime>,
    identity: watch::Receiver<Identity>,
    /// `HOST:PORT` of the manager.
    manager: String,
    /// Also those that have ended: each try is made once.
    open: BTreeMap<Key, Open>,
    running: JoinSet<()>,
}

struct Open {
    wished: watch::Sender<Wished>,
    task: AbortHandle,
}

impl Publishers {
    /// Sends nothing yet.
    pub fn new(engine: Arc<dyn Runtime>, identity: watch::Receiver<Identity>, manager: &str) -> Self {
        Self {
            engine,
            identity,
            manager: manager.to_owned(),
            open: BTreeMap::new(),
            running: JoinSet::new(),
        }
    }

    /// Begins, extends and ends so that exactly these wishes are served.
    pub fn serve(&mut self, wishes: pb::LogWishes) {
        while self.running.try_join_next().is_some() {}
        let key = |wish: &pb::LogWish| (wish.subscription.clone(), wish.attempt);
        self.open.retain(|open, state| {
            let wished = wishes.wishes.iter().any(|wish| key(wish) == *open);
            if !wished {
                state.task.abort();
            }
            wished
        });
        for wish in wishes.wishes {
            match self.open.get(&key(&wish)) {
                Some(open) => open.wished.send_modify(|wished| *wished = Wished::of(wish)),
                None => self.begin(wish),
            }
        }
    }

    fn begin(&mut self, wish: pb::LogWish) {
        let key = (wish.subscription.clone(), wish.attempt);
        let (follow, details) = (wish.follow, wish.details);
        let (wished, receiver) = watch::channel(Wished::of(wish));
        let publisher = Publisher {
            engine: self.engine.clone(),
            subscription: key.0.clone(),
            attempt: key.1,
            follow,
            details,
            wished: receiver,
        };
        let target = Target {
            manager: self.manager.clone(),
            identity: self.identity.borrow().clone(),
        };
        let subscription = key.0.clone();
        let task = self.running.spawn(async move {
            if let Err(reason) = publisher.run(&target).await {
                tracing::info!(%subscription, %reason, "logs are not sent any more");
            }
        });
        self.open.insert(key, Open { wished, task });
    }
}
