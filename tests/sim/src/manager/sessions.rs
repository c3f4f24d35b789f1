//! The leader's sessions: what nodes are told, and who has it.

use std::time::Duration;

use control::{Feed, Update, Verdict, let_go};
use model::{NodeId, TaskId, Timestamp};
use store::{Event, View};

use super::Manager;
use crate::{check::Checked, node::Said};

/// A node that has not taken in what it was told so long ago is told again.
const TELL_AGAIN: Duration = Duration::from_millis(1000);

/// What a node has been told, and when.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u128,
    pub(super) feed: Feed,
    pub(super) told: Timestamp,
}

impl Manager {
    /// An entry has changed something.
    pub fn post(&mut self, view: &View, events: &[Event]) {
        let touched = self.board.update(view, events);
        self.touched.extend(touched);
        events.iter().for_each(|event| self.touched.note(event));
    }

    /// That was all for now.
    pub fn posted(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        if let Some(leading) = &mut self.leading {
            leading.acks.advance(self.board.view(), &touched);
        }
    }

    /// Its state is another one altogether.
    pub fn post_everything(&mut self) {
        let touched = self.board.refresh(&self.view());
        self.touched.extend(touched);
    }

    /// A node says what it has. What it was told may have been lost: then it is told again from there. An agent that has
    /// begun anew is told something even if its view is the latest: that a session begins with.
    pub fn hear(&mut self, node: NodeId, said: &Said, now: Timestamp) -> Checked {
        let Some(leading) = &mut self.leading else {
            return Ok(());
        };
        let anew = match (leading.sessions.get(&node), said.known) {
            (Some(session), Some(known)) => match session.feed.compare(known) {
                Verdict::Same => said.begins,
                Verdict::Behind => now.since(session.told) > TELL_AGAIN,
                Verdict::Drifted { want } => {
                    return Err(format!("node {node} has {known:x?} instead of {want:x}"));
                }
            },
            _ => true,
        };
        if anew {
            leading.opened += 1;
            let session = Session {
                number: leading.opened,
                feed: Feed::starting(node, said.known),
                told: now,
            };
            leading.acks.open(node, session.number);
            leading.sessions.insert(node, session);
        } else if let Some(session) = leading.sessions.get(&node) {
            leading.acks.applied(node, session.number, said.applied);
        }
        Ok(())
    }

    /// The tasks of a node that may be stopped: all nodes have it that nobody is sent there any more.
    pub fn released(&self, node: NodeId) -> Vec<TaskId> {
        let level = self.leading.as_ref().map_or(0, |leading| leading.acks.level());
        let gone = let_go(self.board.view(), node).into_iter();
        gone.filter(|(_, index)| *index <= level)
            .map(|(task, _)| task)
            .collect()
    }

    /// What nodes have to be told now.
    pub fn updates(&mut self, now: Timestamp) -> Vec<(NodeId, Update)> {
        let Some(leading) = &mut self.leading else {
            return Vec::new();
        };
        let mut news = Vec::new();
        for (node, session) in &mut leading.sessions {
            let update = session.feed.next(&self.board);
            let sent = update.as_ref().map(|update| match update {
                Update::Whole(view) => view.seq,
                Update::Delta(delta) => delta.seq,
            });
            leading.acks.told(*node, session.number, self.board.seq(), sent);
            if let Some(update) = update {
                session.told = now;
                news.push((*node, update));
            }
        }
        news
    }
}
