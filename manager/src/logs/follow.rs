//! Logs that go on: lines as nodes send them, held back for a moment to come in order; tasks that join the service; nodes
//! that go and come back.

use std::collections::{BTreeMap, BTreeSet};

use lines::Window;
use model::{NodeId, NodeState, TaskId};
use store::View;
use tokio::{
    sync::mpsc,
    time::{Duration, sleep},
};
use wire::pb;

use super::{
    desk::{Opened, Position},
    reading::{End, Reading},
    source::{Heard, Said, Source},
    telling::Telling,
};
use crate::mint;

/// Batches of all nodes that may wait.
const WAITING: usize = 8;
/// How often it looks for nodes that are missing.
const LOOK: Duration = Duration::from_secs(1);

/// What is followed now.
struct Crew {
    opened: Opened,
    nodes: BTreeMap<NodeId, Source>,
    tasks: BTreeSet<TaskId>,
    to: mpsc::Sender<Said>,
    /// Log index of the state that it is mustered from.
    mustered: Option<u64>,
    goes_on: bool,
}

impl Reading {
    pub(super) async fn follow(&mut self, telling: &mut Telling) -> Result<(), End> {
        let (to, mut inbox) = mpsc::channel(WAITING);
        let mut crew = Crew {
            opened: self.desk.open(true, self.wanted.details)?,
            nodes: BTreeMap::new(),
            tasks: BTreeSet::new(),
            to,
            mustered: None,
            goes_on: true,
        };
        let mut window = Window::default();
        let mut published = self.proposer.published();
        loop {
            let view = published.borrow_and_update().view.clone();
            self.muster(&mut crew, &view, telling);
            crew.look(&view, telling);
            while let Some(line) = window.pop(mint::now()) {
                telling.line(line).await?;
            }
            telling.flush().await?;
            if !crew.goes_on && window.due().is_none() {
                return Ok(());
            }
            let due = window.due().map_or(LOOK, |due| due.since(mint::now()).min(LOOK));
            tokio::select! {
                Some(said) = inbox.recv() => crew.hear(said, &view, &mut window, telling),
                changed = published.changed() => if changed.is_err() { return Ok(()) },
                () = sleep(due) => {}
            }
        }
    }

    /// Follows tasks that are new. Of those that come later, everything is new.
    fn muster(&self, crew: &mut Crew, view: &View, telling: &mut Telling) {
        let before = crew.mustered.replace(view.applied());
        if before == crew.mustered {
            return;
        }
        let position = |task: TaskId| {
            let position = self.wanted.position(task);
            let tail = position.tail.filter(|_| before.is_none());
            Position { tail, ..position }
        };
        let wanted = self.wanted.by_node(view);
        for (node, tasks) in &wanted {
            let new = tasks.iter().filter(|task| !crew.tasks.contains(&task.id));
            let new: BTreeMap<_, _> = new.map(|task| (task.id, position(task.id))).collect();
            if new.is_empty() {
                continue;
            }
            tasks
                .iter()
                .filter(|task| new.contains_key(&task.id))
                .for_each(|task| telling.expect(view, task));
            crew.tasks.extend(new.keys());
            crew.nodes.entry(*node).or_insert_with(Source::new);
            crew.opened.wish(*node, new, &crew.to);
        }
        let gone: Vec<NodeId> = crew
            .nodes
            .keys()
            .filter(|node| view.node(**node).is_none())
            .copied()
            .collect();
        for node in gone {
            crew.nodes.remove(&node);
            crew.opened.forget(node);
        }
        let exists = self
            .wanted
            .services
            .iter()
            .any(|service| view.service(*service).is_some());
        crew.goes_on = exists || !wanted.is_empty();
    }
}

impl Crew {
    fn hear(&mut self, said: Said, view: &View, window: &mut Window<pb::LogLine>, telling: &mut Telling) {
        let node = said.node;
        let Some(source) = self.nodes.get_mut(&node) else {
            return;
        };
        match source.hear(said) {
            Heard::Began => telling.found(view, node),
            Heard::Lines(lines, notes) => {
                let now = mint::now();
                lines.into_iter().for_each(|(at, line)| window.put(at, line, now));
                notes.into_iter().for_each(|note| telling.note(note));
            }
            Heard::Lost | Heard::Done => self.opened.again(node, source.seen()),
            Heard::Nothing => {}
        }
    }

    /// Tells of nodes that are missing, and lets them try again.
    fn look(&mut self, view: &View, telling: &mut Telling) {
        let now = tokio::time::Instant::now();
        for (node, source) in &mut self.nodes {
            let Some(deadline) = source.deadline() else { continue };
            let down = view
                .node(*node)
                .is_none_or(|node| node.status.state != NodeState::Ready);
            if down || now >= deadline {
                telling.missing(view, *node);
            }
            if now >= deadline {
                source.wait_again();
                self.opened.again(*node, source.seen());
            }
        }
    }
}
