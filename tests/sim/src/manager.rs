//! A manager of the simulation: the real state, fed with the bytes of committed entries, and on the leader the control
//! loop as the `manager` crate runs it: heartbeats, one pass at a time, views to the nodes.

use std::collections::{BTreeMap, BTreeSet};

use control::{Dirty, Heartbeats, next_deadline, node_view, pass};
use model::{NodeId, NodeView, RequestId, Timestamp};
use store::{Command, Entry, Event, Refused, State};

use crate::dice::Dice;

/// What only the leader has.
#[derive(Debug)]
pub struct Leading {
    /// Who was heard when.
    pub beats: Heartbeats,
    /// What changed since the last pass.
    pub dirty: Dirty,
    /// Entries of the last pass that have not been applied yet: the next pass waits for them.
    pub in_flight: BTreeSet<RequestId>,
    /// The last view sent to each node.
    pub sent: BTreeMap<NodeId, NodeView>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Manager {
    /// The cluster's state.
    pub state: State,
    /// Set while it leads.
    pub leading: Option<Leading>,
}

impl Manager {
    /// Becomes leader.
    pub fn lead(&mut self, now: Timestamp) {
        self.leading = Some(Leading {
            beats: Heartbeats::starting(now),
            dirty: Dirty::all(),
            in_flight: BTreeSet::new(),
            sent: BTreeMap::new(),
        });
    }

    /// Applies a committed entry.
    pub fn apply(&mut self, index: u64, entry: Entry) -> Result<Vec<Event>, Refused> {
        let request = entry.request;
        let outcome = self.state.apply(index, entry);
        if let Some(leading) = &mut self.leading {
            leading.in_flight.remove(&request);
            for event in outcome.iter().flatten() {
                leading.dirty.note(event);
            }
            if outcome.is_err() {
                leading.dirty = Dirty::all();
            }
        }
        outcome
    }

    /// What the leader has to propose now: nodes that are overdue, or else the next pass.
    pub fn decide(&mut self, now: Timestamp, dice: &mut Dice) -> Vec<Command> {
        let Some(leading) = &mut self.leading else {
            return Vec::new();
        };
        if !leading.in_flight.is_empty() || self.state.cluster().is_none() {
            return Vec::new();
        }
        let overdue = leading.beats.overdue(&self.state, now);
        if !overdue.is_empty() {
            return vec![Command::Batch(overdue)];
        }
        let dirty = std::mem::take(&mut leading.dirty);
        pass(&self.state, &dirty, now, &mut || dice.id())
    }

    /// When the loop has something to do without any event.
    pub fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let leading = self.leading.as_ref()?;
        let beats = leading.beats.next_deadline(&self.state);
        beats.into_iter().chain(next_deadline(&self.state, now)).min()
    }

    /// The views that nodes have not been sent yet.
    pub fn views(&mut self) -> Vec<(NodeId, NodeView)> {
        let Some(leading) = &mut self.leading else {
            return Vec::new();
        };
        let mut news = Vec::new();
        for node in self.state.nodes() {
            let Some(view) = node_view(&self.state, node.id, self.state.applied()) else {
                continue;
            };
            let known = leading.sent.get(&node.id).is_some_and(|old| {
                NodeView {
                    seq: view.seq,
                    ..old.clone()
                } == view
            });
            if !known {
                leading.sent.insert(node.id, view.clone());
                news.push((node.id, view));
            }
        }
        news
    }
}
