//! Who is followed now: tasks join and end, nodes go and come back. A task that the state has forgotten is let go once
//! its last lines must have come, and a node with its last task.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lines::Window;
use model::{NodeId, NodeState, Task, TaskId};
use store::{Event, View};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant},
};
use wire::pb;

use super::{
    desk::{Opened, Position},
    source::{Heard, Said, Source},
    telling::Telling,
    wanted::Wanted,
};
use crate::mint;

/// How long after each other the last lines of a task that is gone may come.
const LINGER: Duration = Duration::from_secs(10);

/// A node that is followed.
struct Post {
    source: Source,
    tasks: BTreeMap<TaskId, Followed>,
}

#[derive(Default)]
struct Followed {
    /// A container that it does not have will not come.
    ended: bool,
    /// The state does not know it any more.
    gone: bool,
}

/// See the module.
pub(super) struct Crew {
    opened: Opened,
    posts: BTreeMap<NodeId, Post>,
    /// Tasks that are gone, and since when nothing was heard of them. The first the longest.
    gone: VecDeque<(Instant, NodeId, TaskId)>,
    to: mpsc::Sender<Said>,
    begun: bool,
    goes_on: bool,
}

impl Crew {
    /// Follows nobody yet. What nodes say goes to `to`.
    pub(super) fn new(opened: Opened, to: mpsc::Sender<Said>) -> Self {
        Self {
            opened,
            posts: BTreeMap::new(),
            gone: VecDeque::new(),
            to,
            begun: false,
            goes_on: true,
        }
    }

    /// Whether there is something to follow, or may be again.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Whether something has become of a node that is followed.
    pub(super) fn is_touched(&self, event: &Event) -> bool {
        matches!(event, Event::Node(node) if self.posts.contains_key(node))
    }

    /// Follows tasks that are new. Of those that come later, everything is new.
    pub(super) fn muster(&mut self, wanted: &Wanted, view: &View, telling: &mut Telling, now: Instant) {
        self.dismiss(view, telling);
        self.note_gone(view, now);
        let first = !std::mem::replace(&mut self.begun, true);
        let position = |task: &Task| {
            let position = wanted.position(task.id);
            let tail = position.tail.filter(|_| first);
            Position { tail, ..position }
        };
        let by_node = wanted.by_node(view);
        for (node, tasks) in &by_node {
            let joined = self.take_on(*node, tasks, position);
            joined.iter().for_each(|task| telling.expect(view, task));
        }
        let exists = wanted.services.iter().any(|service| view.service(*service).is_some());
        self.goes_on = exists || !by_node.is_empty();
    }

    /// Nodes that were removed send nothing more.
    fn dismiss(&mut self, view: &View, telling: &mut Telling) {
        let removed = self.posts.keys().filter(|node| view.node(**node).is_none());
        for node in removed.copied().collect::<Vec<_>>() {
            let post = self.posts.remove(&node);
            let tasks = post.into_iter().flat_map(|post| post.tasks.into_keys());
            tasks.for_each(|task| telling.forget(task));
            self.opened.forget(node);
        }
    }

    /// No container comes any more of a task that the state has forgotten.
    fn note_gone(&mut self, view: &View, now: Instant) {
        for (node, post) in &mut self.posts {
            let mut ended = BTreeSet::new();
            for (task, followed) in &mut post.tasks {
                if followed.gone || view.task(*task).is_some() {
                    continue;
                }
                followed.gone = true;
                self.gone.push_back((now, *node, *task));
                if !std::mem::replace(&mut followed.ended, true) {
                    ended.insert(*task);
                }
            }
            if !ended.is_empty() {
                self.opened.wish(*node, BTreeMap::new(), ended, &self.to);
            }
        }
    }

    /// Wishes what is new of a node's tasks. Returns those that were not followed before.
    fn take_on<'a>(&mut self, node: NodeId, tasks: &[&'a Task], position: impl Fn(&Task) -> Position) -> Vec<&'a Task> {
        let post = self.posts.entry(node).or_insert_with(|| Post {
            source: Source::new(),
            tasks: BTreeMap::new(),
        });
        let (mut joined, mut ended) = (Vec::new(), BTreeSet::new());
        for task in tasks {
            let followed = post.tasks.entry(task.id).or_insert_with(|| {
                joined.push(*task);
                Followed::default()
            });
            if task.status.state.is_terminal() && !std::mem::replace(&mut followed.ended, true) {
                ended.insert(task.id);
            }
        }
        if !joined.is_empty() || !ended.is_empty() {
            let new = joined.iter().map(|task| (task.id, position(task))).collect();
            self.opened.wish(node, new, ended, &self.to);
        }
        joined
    }

    /// Takes what a node said; its lines go into the window.
    pub(super) fn hear(&mut self, said: Said, view: &View, window: &mut Window<pb::LogLine>, telling: &mut Telling) {
        let node = said.node;
        let Some(post) = self.posts.get_mut(&node) else { return };
        match post.source.hear(said) {
            Heard::Began => telling.found(view, node),
            Heard::Lines(lines, notes) => {
                let now = mint::steady();
                // What was let go may have been on its way for very long.
                let is_followed = |task: &str| task.parse().is_ok_and(|task: TaskId| post.tasks.contains_key(&task));
                let lines: Vec<_> = lines.into_iter().filter(|(_, line)| is_followed(&line.task)).collect();
                let prints: BTreeSet<TaskId> = lines.iter().filter_map(|(_, line)| line.task.parse().ok()).collect();
                lines.into_iter().for_each(|(at, line)| window.put(at, line, now));
                let notes = notes.into_iter().filter(|note| is_followed(&note.task));
                notes.for_each(|note| telling.note(note));
                self.put_off(&prints, Instant::now());
            }
            Heard::Lost | Heard::Done => self.opened.again(node, post.source.seen()),
            Heard::Nothing => {}
        }
    }

    /// Tells of nodes that are missing, and lets them try again. One whose tasks have all ended is not missed: what
    /// they had printed was asked for before.
    pub(super) fn look(&mut self, view: &View, telling: &mut Telling, now: Instant) {
        self.let_go(telling, now);
        for (node, post) in &mut self.posts {
            let Some(deadline) = post.source.deadline() else {
                continue;
            };
            let down = view
                .node(*node)
                .is_none_or(|node| node.status.state != NodeState::Ready);
            let prints = post.tasks.values().any(|task| !task.ended);
            if prints && (down || now >= deadline) {
                telling.missing(view, *node);
            }
            if now >= deadline {
                post.source.wait_again();
                self.opened.again(*node, post.source.seen());
            }
        }
    }

    /// More lines may follow those of tasks that are gone: a reader may take them in slowly.
    fn put_off(&mut self, prints: &BTreeSet<TaskId>, now: Instant) {
        let (late, others) = self.gone.drain(..).partition(|(_, _, task)| prints.contains(task));
        self.gone = others;
        let late: VecDeque<_> = late;
        self.gone
            .extend(late.into_iter().map(|(_, node, task)| (now, node, task)));
    }

    /// Ends with tasks that have been gone for long.
    fn let_go(&mut self, telling: &mut Telling, now: Instant) {
        let mut over: BTreeMap<NodeId, BTreeSet<TaskId>> = BTreeMap::new();
        while let Some((_, node, task)) = self
            .gone
            .pop_front_if(|(since, ..)| now.duration_since(*since) >= LINGER)
        {
            telling.forget(task);
            over.entry(node).or_default().insert(task);
        }
        for (node, tasks) in over {
            let Some(post) = self.posts.get_mut(&node) else {
                continue;
            };
            post.tasks.retain(|task, _| !tasks.contains(task));
            post.source.forget(&tasks);
            if post.tasks.is_empty() {
                self.posts.remove(&node);
                self.opened.forget(node);
            } else {
                self.opened.let_go(node, &tasks);
            }
        }
    }
}

#[cfg(test)]
mod tests;
