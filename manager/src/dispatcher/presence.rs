//! Which nodes have a session and when they were heard. One task owns that; sessions send it messages. On the leader it
//! proposes what `control::Heartbeats` says: Down when a node's time is over, Ready when it is heard again.

use std::{collections::BTreeMap, time::Duration};

use control::Heartbeats;
use model::{NodeId, NodeState};
use store::Command;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::asked::{self, Asked};
use crate::{mint, proposer::Proposer, raft::Published};

/// How long this task sleeps at most; a deadline that moved is noticed then.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How often it looks at least, so that a proposal under way is not proposed again at once.
const SHORTEST_SLEEP: Duration = Duration::from_millis(50);

enum Message {
    Opened {
        node: NodeId,
        session: u128,
        end: oneshot::Sender<()>,
    },
    Heard(NodeId),
    Ended {
        node: NodeId,
        session: u128,
    },
    Close(NodeId),
    /// What was proposed is applied, or will never be known to be.
    Answered(Vec<(NodeId, NodeState)>),
}

/// A handle to the task.
#[derive(Clone)]
pub(super) struct Presence {
    messages: mpsc::UnboundedSender<Message>,
}

impl Presence {
    pub(super) fn start(proposer: Proposer, stopping: watch::Receiver<bool>) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        let answers = messages.downgrade();
        tokio::spawn(watch_over(proposer, (inbox, answers), stopping));
        Self { messages }
    }

    /// A session begins. The receiver fires when it has to end: another one of the same node began, or the node left.
    pub(super) fn opened(&self, node: NodeId, session: u128) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        let _ = self.messages.send(Message::Opened { node, session, end });
        ended
    }

    /// A heartbeat.
    pub(super) fn heard(&self, node: NodeId) {
        let _ = self.messages.send(Message::Heard(node));
    }

    /// A session is over. The node keeps its grace.
    pub(super) fn ended(&self, node: NodeId, session: u128) {
        let _ = self.messages.send(Message::Ended { node, session });
    }

    /// The node leaves.
    pub(super) fn close(&self, node: NodeId) {
        let _ = self.messages.send(Message::Close(node));
    }
}

struct Watch {
    proposer: Proposer,
    /// Session and how to end it.
    open: BTreeMap<NodeId, (u128, oneshot::Sender<()>)>,
    /// While this manager leads: its term and what was heard in it.
    beats: Option<(u64, Heartbeats)>,
    /// Period and grace by which `beats` counts.
    rhythm: Option<(u32, u32)>,
    /// What is proposed and not answered yet.
    asked: Asked,
    /// Where answers go.
    answers: mpsc::WeakUnboundedSender<Message>,
}

async fn watch_over(
    proposer: Proposer,
    (mut inbox, answers): (mpsc::UnboundedReceiver<Message>, mpsc::WeakUnboundedSender<Message>),
    mut stopping: watch::Receiver<bool>,
) {
    let (mut published, latest) = (proposer.published(), proposer.published());
    let mut watch = Watch {
        proposer,
        open: BTreeMap::new(),
        beats: None,
        rhythm: None,
        asked: Asked::default(),
        answers,
    };
    let mut deadline = watch.look(&snapshot(&latest));
    loop {
        tokio::select! {
            message = inbox.recv() => match message {
                // Whoever is heard is overdue later, not sooner: no need to look at all nodes for each heartbeat.
                Some(message) => {
                    watch.take(message, &snapshot(&latest));
                    continue;
                }
                None => return,
            },
            () = sleep_until(deadline) => {}
            changed = published.wait_for(|p| watch.is_outdated(p)) => if changed.is_err() { return },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        deadline = watch.look(&snapshot(&latest));
    }
}

fn snapshot(latest: &watch::Receiver<Published>) -> Published {
    latest.borrow().clone()
}

fn rhythm(published: &Published) -> Option<(u32, u32)> {
    let settings = &published.view.cluster()?.settings;
    Some((settings.heartbeat_ms, settings.heartbeat_grace))
}

impl Watch {
    fn is_outdated(&self, published: &Published) -> bool {
        let leading = published.standing.leads.then_some(published.standing.term);
        leading != self.beats.as_ref().map(|(term, _)| *term) || rhythm(published) != self.rhythm
    }

    /// Proposes what is overdue; answers with when to look again.
    fn look(&mut self, published: &Published) -> Instant {
        let now = mint::steady();
        if self.is_outdated(published) {
            // A new rhythm begins with a full grace as well: nodes beat by the old one until they hear of it.
            self.rhythm = rhythm(published);
            let term = published.standing.term;
            self.beats = published.standing.leads.then(|| (term, Heartbeats::starting(now)));
            self.asked = Asked::default();
        }
        let Some((term, beats)) = &mut self.beats else {
            return Instant::now() + LONGEST_SLEEP;
        };
        let (term, overdue) = (*term, beats.overdue(&published.view, now, mint::now()));
        let next = beats
            .next_deadline(&published.view)
            .map_or(LONGEST_SLEEP, |at| at.since(now));
        self.propose(term, overdue);
        Instant::now() + next.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
    }

    fn take(&mut self, message: Message, published: &Published) {
        match message {
            Message::Opened { node, session, end } => {
                // The older session's end is dropped with its sender, which ends it. It may be this one, if it comes late.
                if self.open.get(&node).is_none_or(|(current, _)| *current < session) {
                    self.open.insert(node, (session, end));
                }
                self.hear(node, published);
            }
            Message::Heard(node) if self.open.contains_key(&node) => self.hear(node, published),
            Message::Heard(_) => {}
            Message::Ended { node, session } => {
                if self.open.get(&node).is_some_and(|(current, _)| *current == session) {
                    self.open.remove(&node);
                }
            }
            Message::Close(node) => {
                self.open.remove(&node);
            }
            Message::Answered(states) => self.asked.answered(&states),
        }
    }

    fn hear(&mut self, node: NodeId, published: &Published) {
        let Some((term, beats)) = &mut self.beats else { return };
        let term = *term;
        if let Some(command) = beats.heard(&published.view, node, mint::steady(), mint::now()) {
            self.propose(term, vec![command]);
        }
    }

    /// Proposes what is not under way already.
    fn propose(&mut self, term: u64, commands: Vec<Command>) {
        let commands = self.asked.news(commands);
        if commands.is_empty() {
            return;
        }
        let (proposer, answers) = (self.proposer.clone(), self.answers.clone());
        tokio::spawn(async move {
            let states = asked::states(&commands);
            if let Err(why) = proposer.decide(term, Command::Batch(commands)).await {
                tracing::warn!(%why, "a node's state is not taken");
            }
            if let Some(answers) = answers.upgrade() {
                let _ = answers.send(Message::Answered(states));
            }
        });
    }
}
