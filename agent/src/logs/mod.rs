//! Logs of this node's tasks, sent to whoever reads them: the managers' wishes come with the session, each is served by
//! a task of its own over a connection of its own.
//!
//! What must stay true: all that waits is bounded, so a reader who is slow holds up the engine's side and nothing else;
//! what the managers do not wish any more ends, and all of it with the session.

mod publish;
mod source;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use wire::pb;

use self::publish::{Publisher, Target};
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
    /// Tasks that are wished for; they only become more.
    tasks: watch::Sender<Vec<pb::LogPosition>>,
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
                Some(open) => drop(open.tasks.send_replace(wish.tasks)),
                None => self.begin(wish),
            }
        }
    }

    fn begin(&mut self, wish: pb::LogWish) {
        let (tasks, wished) = watch::channel(wish.tasks);
        let publisher = Publisher {
            engine: self.engine.clone(),
            subscription: wish.subscription.clone(),
            attempt: wish.attempt,
            follow: wish.follow,
            details: wish.details,
            tasks: wished,
        };
        let target = Target {
            manager: self.manager.clone(),
            identity: self.identity.borrow().clone(),
        };
        let subscription = wish.subscription.clone();
        let task = self.running.spawn(async move {
            if let Err(reason) = publisher.run(&target).await {
                tracing::info!(%subscription, %reason, "logs are not sent any more");
            }
        });
        self.open
            .insert((wish.subscription, wish.attempt), Open { tasks, task });
    }
}
