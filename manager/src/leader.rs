//! What a leader does besides answering: runs `control::pass` whenever events mark something dirty, a deadline comes, or
//! half a minute has passed, and proposes what it decides. On a manager that does not lead it sleeps.
//!
//! What must stay true: a pass sees everything that the one before it decided; a lost event costs time, nothing else.

use std::time::Duration;

use control::{Dirty, Moment, next_deadline, pass};
use futures::future::join_all;
use model::Timestamp;
use store::{Command, View};
use tokio::{
    sync::{broadcast, watch},
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    mint,
    proposer::Proposer,
    raft::{News, ProposeError, Published},
};

/// Everything is looked at this often, whatever events say.
const FULL_PASS_EVERY: Duration = Duration::from_secs(30);
/// After a refusal; the next pass decides on a newer view.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);

/// Runs until the driver ends.
pub(crate) async fn run(proposer: Proposer) {
    let mut published = proposer.published();
    loop {
        let Ok(leading) = published.wait_for(|p| p.standing.leads).await.map(|p| p.standing.term) else {
            return;
        };
        tracing::info!(term = leading, "leading");
        let goes_on = lead(&proposer, &mut published, leading).await;
        tracing::info!(term = leading, "not leading any more");
        // What was published last stays, also that this manager led: it does not when the driver has ended.
        if !goes_on || published.has_changed().is_err() {
            return;
        }
    }
}

/// False: the driver has ended.
async fn lead(proposer: &Proposer, published: &mut watch::Receiver<Published>, term: u64) -> bool {
    let mut events = proposer.events();
    let mut dirty = Dirty::all();
    let began = Instant::now();
    let mut full_pass = Instant::now() + FULL_PASS_EVERY;
    loop {
        drain(&mut events, &mut dirty);
        let view = {
            let now = published.borrow_and_update();
            if !now.standing.leads || now.standing.term != term {
                return true;
            }
            now.view.clone()
        };
        let base = view.clone();
        // A pass over a large cluster takes longer than others on this thread should wait.
        let now = moment(began);
        let deciding = spawn_blocking(move || pass(&base, &dirty, now, &mut mint::bits));
        let Ok(commands) = deciding.await else { return true };
        dirty = match propose_all(proposer, term, commands).await {
            Taken::All => Dirty::default(),
            Taken::NotAll => Dirty::all(),
            Taken::Stopped => return false,
        };
        if !dirty.is_empty() {
            continue;
        }
        let deadline = deadline(&view, moment(began)).map_or(full_pass, |at| full_pass.min(at));
        tokio::select! {
            event = events.recv() => note(event, &mut dirty),
            () = sleep_until(deadline) => {}
            changed = published.wait_for(|p| p.standing.term != term || !p.standing.leads) => {
                if changed.is_err() {
                    return false;
                }
            }
        }
        if Instant::now() >= full_pass {
            dirty = Dirty::all();
            full_pass = Instant::now() + FULL_PASS_EVERY;
        }
    }
}

/// Now, for who leads since then. By the wall clock as it is, which may have been set meanwhile.
fn moment(began: Instant) -> Moment {
    let now = mint::now();
    let led = i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX);
    let led_since = Timestamp(now.0.saturating_sub(led));
    Moment { now, led_since }
}

/// When there is something to decide although nothing happens.
fn deadline(view: &View, moment: Moment) -> Option<Instant> {
    let at = next_deadline(view, moment)?;
    Some(Instant::now() + at.since(moment.now))
}

/// What became of the decisions of a pass.
enum Taken {
    All,
    /// One was not taken, after which the rest may be decisions on an old view.
    NotAll,
    /// The driver has ended.
    Stopped,
}

/// Proposes in order, all at once, so that they share writes to disk. `apply` refuses those that do not hold any more,
/// and the next pass decides anew.
async fn propose_all(proposer: &Proposer, term: u64, commands: Vec<Command>) -> Taken {
    let outcomes = join_all(commands.into_iter().map(|command| proposer.decide(term, command))).await;
    let mut refused = false;
    for outcome in outcomes {
        match outcome {
            Ok(_) => {}
            Err(ProposeError::Refused(why)) => {
                tracing::debug!(%why, "decided on an old view");
                refused = true;
            }
            Err(ProposeError::Stopped) => return Taken::Stopped,
            Err(why) => {
                tracing::warn!(%why, "the leader's decisions are not taken");
                return Taken::NotAll;
            }
        }
    }
    if refused {
        sleep(AFTER_REFUSAL).await;
        return Taken::NotAll;
    }
    Taken::All
}

fn drain(events: &mut broadcast::Receiver<News>, dirty: &mut Dirty) {
    loop {
        match events.try_recv() {
            Ok(news) => note(Ok(news), dirty),
            Err(broadcast::error::TryRecvError::Lagged(_)) => *dirty = Dirty::all(),
            Err(_) => return,
        }
    }
}

fn note(received: Result<News, broadcast::error::RecvError>, dirty: &mut Dirty) {
    match received {
        Ok(news) if !news.everything => news.events().for_each(|event| dirty.note(event)),
        Ok(_) | Err(_) => *dirty = Dirty::all(),
    }
}

#[cfg(test)]
mod tests {
    use control::Members;
    use tokio::time::timeout;

    use super::*;
    use crate::raft::{Driver, MemoryDisk, Replica, Transport};

    /// There are no others.
    struct Nowhere;

    impl Transport for Nowhere {
        fn send(&mut self, _: u64, _: Vec<u8>, _: bool) {}
        fn keep_only(&mut self, _: &Members) {}
    }

    #[tokio::test]
    async fn it_ends_with_a_driver_that_ends_while_it_leads() {
        let disk = MemoryDisk::of(Replica::<MemoryDisk>::first_member(1).unwrap());
        let driver = Driver::start(Replica::start(disk).unwrap(), Nowhere);
        let mut published = driver.published();
        let leading = tokio::spawn(run(Proposer::new(driver.clone())));
        published.wait_for(|p| p.standing.leads).await.unwrap();
        driver.stop();
        let ended = timeout(Duration::from_secs(10), leading).await;
        ended.expect("nothing is left to lead").unwrap();
    }
}
