//! The changes that users ask this manager for, in one queue with one owner. It takes what waits, plans each request on the
//! newest state and on top of the requests before it, and proposes all of them at once: no request of this manager takes
//! what another has just been given. Other managers and the leader's own decisions may; then it is planned anew.

use futures::future::join_all;
use model::RequestId;
use store::{Command, Refused, State, View};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tonic::Status;

use super::refusal;
use crate::{
    mint,
    proposer::Proposer,
    raft::{ProposeError, ReadError},
};

/// Requests that are planned together.
const ROUND: usize = 64;
/// Requests that may wait.
const WAITING: usize = 1024;
/// How often a request is planned anew because another manager, or a task, got what it was to have.
const MAX_RACES: u32 = 16;

/// What a request comes to on a state.
type Plan = Box<dyn Fn(&View) -> Result<Command, Refused> + Send>;

/// Where requests are left; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Queue(mpsc::Sender<Wish>);

impl Queue {
    /// Starts the owner. It ends when no queue is left, or its task is aborted.
    pub(crate) fn start(proposer: Proposer) -> (Self, JoinHandle<()>) {
        let (sender, inbox) = mpsc::channel(WAITING);
        let owner = Owner {
            proposer,
            inbox,
            waiting: Vec::new(),
        };
        (Self(sender), tokio::spawn(owner.run()))
    }

    /// Plans a change, proposes it and returns the state that has it. A repeated request gets the first outcome.
    pub(crate) async fn change(
        &self,
        request: RequestId,
        plan: impl Fn(&View) -> Result<Command, Refused> + Send + 'static,
    ) -> Result<View, Status> {
        self.wish(request, Box::new(plan), false).await
    }

    /// As [`Queue::change`], for who changes things as they are, whatever their versions: another change of them that
    /// came in between is a race.
    pub(crate) async fn change_newest(
        &self,
        request: RequestId,
        plan: impl Fn(&View) -> Result<Command, Refused> + Send + 'static,
    ) -> Result<View, Status> {
        self.wish(request, Box::new(plan), true).await
    }

    async fn wish(&self, request: RequestId, plan: Plan, newest: bool) -> Result<View, Status> {
        let stopping = || Status::unavailable(ProposeError::Stopped.to_string());
        let (reply, answer) = oneshot::channel();
        let wish = Wish {
            request,
            plan,
            newest,
            races: 0,
            reply,
        };
        self.0.send(wish).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }
}

/// A request that waits for its answer.
struct Wish {
    request: RequestId,
    plan: Plan,
    /// The plan takes versions from the state, not from the user.
    newest: bool,
    /// Races lost.
    races: u32,
    reply: oneshot::Sender<Result<View, Status>>,
}

impl Wish {
    /// The id of the next attempt, derived from the request's, and its outcome if it has been made before.
    fn attempt(&mut self, view: &View) -> (RequestId, Option<Result<(), Refused>>) {
        loop {
            let id = match self.races {
                0 => self.request,
                races => RequestId::from_bits(mint::object_of(self.request, &format!("attempt {races}"))),
            };
            match view.outcome(id) {
                Some(Err(why)) if self.has_lost(&why) => self.races += 1,
                outcome => return (id, outcome),
            }
        }
    }

    /// Whether a refusal says only that another was faster, and the next attempt may do.
    fn has_lost(&self, why: &Refused) -> bool {
        let outdated = matches!(why, Refused::OutOfSequence { .. });
        self.races < MAX_RACES && (why.is_race() || self.newest && outdated)
    }

    /// Who asked may have gone; the change is made all the same.
    fn answer(self, answer: Result<View, Status>) {
        let _ = self.reply.send(answer);
    }
}

/// What has become of the requests of a round, before anything is proposed.
#[derive(Default)]
struct Round {
    /// To be proposed, in this order.
    planned: Vec<(Wish, RequestId, Command)>,
    /// Refused on top of what is only planned: to be planned anew when that is in the state, or is not.
    again: Vec<Wish>,
}

impl Round {
    /// Plans on `view`. What needs no proposal is answered.
    fn of(view: &View, wishes: Vec<Wish>) -> Self {
        let mut round = Self::default();
        let mut draft: State = view.clone();
        for mut wish in wishes {
            let (id, outcome) = wish.attempt(view);
            let outcome = outcome.map(|made| made.map(|()| view.clone()).map_err(|why| refusal::refused(&why)));
            if let Some(outcome) = outcome {
                wish.answer(outcome);
                continue;
            }
            let planned = (wish.plan)(&draft);
            let drafted = planned.and_then(|command| draft.apply_draft(command.clone()).map(|_| command));
            match drafted {
                Ok(command) => round.planned.push((wish, id, command)),
                Err(_) if !round.planned.is_empty() => round.again.push(wish),
                Err(why) => wish.answer(Err(refusal::refused(&why))),
            }
        }
        round
    }
}

struct Owner {
    proposer: Proposer,
    inbox: mpsc::Receiver<Wish>,
    waiting: Vec<Wish>,
}

impl Owner {
    async fn run(mut self) {
        while !self.waiting.is_empty() || self.inbox.recv_many(&mut self.waiting, ROUND).await > 0 {
            self.take_more();
            self.round().await;
        }
    }

    /// What came meanwhile goes with those that are planned anew.
    fn take_more(&mut self) {
        while self.waiting.len() < ROUND
            && let Ok(wish) = self.inbox.try_recv()
        {
            self.waiting.push(wish);
        }
    }

    async fn round(&mut self) {
        let view = match self.proposer.read().await {
            Ok(view) => view,
            Err(why) => return self.fail(&refusal::unread(&why)),
        };
        let Round { planned, mut again } = Round::of(&view, std::mem::take(&mut self.waiting));
        let mut leaderless = false;
        let proposed = planned.into_iter().map(|(wish, id, command)| {
            let proposing = self.proposer.propose_as(id, command);
            async { (wish, proposing.await) }
        });
        for (wish, outcome) in join_all(proposed).await {
            match outcome {
                Ok(applied) => wish.answer(Ok(applied.view)),
                // The next attempt finds the refusal in the state, and has another id.
                Err(ProposeError::Refused(why)) if wish.has_lost(&why) => again.push(wish),
                Err(why) => {
                    leaderless |= why == ProposeError::NoLeader;
                    wish.answer(Err(refusal::unproposed(&why)));
                }
            }
        }
        self.waiting = again;
        if leaderless {
            self.fail(&refusal::unread(&ReadError::NoLeader));
        }
    }

    /// Without a leader nobody waits once for those before and once more for itself.
    fn fail(&mut self, why: &Status) {
        let left = std::iter::from_fn(|| self.inbox.try_recv().ok());
        for wish in self.waiting.drain(..).chain(left) {
            wish.answer(Err(why.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
