//! The cluster of a script: state, agents, and time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use control::{Dirty, Moment, Update, next_deadline, node_view, pass, plan_init};
use model::{NetworkId, NodeId, NodeState, RequestId, Role, TaskId, Timestamp};
use store::{Command, Entry, Refused, State, StatusReport, TaskOp, View};

use crate::{
    node::{Machine, Operation},
    world::{cluster, node},
};

/// Rounds of passes and agents at one moment after which they count as never ending.
const ROUNDS: usize = 1000;
/// As in the `manager` crate. What takes a day (giving up tasks of a lost node) waits for it.
const FULL_PASS_EVERY: Duration = Duration::from_secs(30);
/// When a script begins.
const BEGIN: Timestamp = Timestamp(1_000_000_000_000);

/// What a node is going to see of its engine.
#[derive(Clone, Copy, Debug)]
enum Due {
    Done(TaskId, Operation),
    Exit(TaskId, i64),
}

/// How long engines take.
#[derive(Debug, Default)]
pub struct Takes {
    pub prepare: Duration,
    pub start: Duration,
    pub stop: Duration,
}

/// See the module.
pub struct Bed {
    state: State,
    pub now: Timestamp,
    ids: u128,
    dirty: Dirty,
    led_since: Timestamp,
    full_pass: Timestamp,
    pub machines: Vec<Machine>,
    /// Nodes that the managers do not hear.
    pub unheard: BTreeSet<NodeId>,
    due: BTreeMap<(Timestamp, u64), (NodeId, Due)>,
    pub takes: Takes,
    /// Images that engines cannot get.
    pub missing: BTreeSet<String>,
    /// Images whose containers end by themselves: after how long, with which code.
    pub exits: BTreeMap<String, (Duration, i64)>,
}

impl Default for Bed {
    fn default() -> Self {
        Self {
            state: State::default(),
            now: BEGIN,
            ids: 1000,
            dirty: Dirty::default(),
            led_since: Timestamp(0),
            full_pass: BEGIN + FULL_PASS_EVERY,
            machines: Vec::new(),
            unheard: BTreeSet::new(),
            due: BTreeMap::new(),
            takes: Takes::default(),
            missing: BTreeSet::new(),
            exits: BTreeMap::new(),
        }
    }
}

impl Bed {
    pub fn view(&self) -> &View {
        &self.state
    }

    pub fn id(&mut self) -> u128 {
        self.ids += 1;
        self.ids
    }

    pub fn machine(&mut self, id: NodeId) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.id == id)
    }

    /// The cluster, with nodes `n1` and so on; the first is its manager.
    pub fn found(&mut self, nodes: usize) -> Result<(), Refused> {
        for number in 1..=nodes {
            let id = NodeId::from_bits(number as u128);
            let role = if number == 1 { Role::Manager } else { Role::Worker };
            let mut new = node(id, number, role, self.now);
            new.status.state = NodeState::Ready;
            new.raft_id = (number == 1).then_some(1);
            let command = match number {
                1 => plan_init(&self.state, cluster(1, self.now), new, NetworkId::from_bits(100))?,
                _ => Command::UpsertNode(Box::new(new)),
            };
            self.apply(command)?;
            self.machines.push(Machine::new(id, self.now));
        }
        Ok(())
    }

    pub fn apply(&mut self, command: Command) -> Result<(), Refused> {
        let index = self.state.applied() + 1;
        let request = RequestId::from_bits(u128::from(index));
        let events = self.state.apply(index, Entry { request, command })?;
        events.iter().for_each(|event| self.dirty.note(event));
        Ok(())
    }

    /// Passes and agents work until nothing is left to do now.
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            let moved = self.decide()? | self.agents()?;
            if !moved {
                return self.nothing_left();
            }
        }
        Err("passes and agents never come to an end".to_owned())
    }

    /// Time passes; `seen` is called at each moment at which something has happened.
    pub fn advance(&mut self, span: Duration, mut seen: impl FnMut(&Self)) -> Result<(), String> {
        let end = self.now + span;
        loop {
            let full = [self.full_pass];
            let next = self
                .next_due()
                .into_iter()
                .chain(next_deadline(&self.state, self.moment()))
                .chain(full)
                .min();
            match next {
                Some(at) if at <= self.now => return Err("a deadline is over and nothing is done about it".to_owned()),
                Some(at) if at <= end => self.now = at,
                _ => break,
            }
            if self.now == self.full_pass {
                self.dirty = Dirty::all();
                self.full_pass = self.now + FULL_PASS_EVERY;
            }
            self.settle()?;
            seen(self);
        }
        self.now = end;
        self.settle()
    }

    /// The leader is gone, and for this span there is none: nodes go on with what they were told, and nobody hears of it.
    /// Then another one looks at everything.
    pub fn leaderless(&mut self, span: Duration) -> Result<(), String> {
        let end = self.now + span;
        let all = self.machines.iter().map(|machine| machine.id).collect();
        let unheard = std::mem::replace(&mut self.unheard, all);
        while let Some(at) = self.next_due().filter(|at| *at <= end) {
            self.now = at;
            while self.agents()? {}
        }
        self.unheard = unheard;
        self.now = end;
        self.dirty = Dirty::all();
        self.led_since = end;
        self.full_pass = end + FULL_PASS_EVERY;
        self.settle()
    }

    /// When an engine has done the next thing, or an agent has something to do.
    fn next_due(&self) -> Option<Timestamp> {
        let due = self.due.first_key_value().map(|((at, _), _)| *at);
        let awake = self.machines.iter().filter(|machine| machine.up);
        awake.map(|machine| machine.wakes(self.now)).chain(due).min()
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            led_since: self.led_since,
        }
    }

    fn decide(&mut self) -> Result<bool, String> {
        let (dirty, moment) = (std::mem::take(&mut self.dirty), self.moment());
        let ids = &mut self.ids;
        let commands = pass(&self.state, &dirty, moment, &mut || {
            *ids += 1;
            *ids
        });
        let moved = !commands.is_empty();
        for command in commands {
            let words = format!("{command:?}");
            self.apply(command)
                .map_err(|why| format!("what is decided is refused: {why}: {words}"))?;
        }
        Ok(moved)
    }

    fn nothing_left(&self) -> Result<(), String> {
        let mut counter = 0;
        let left = pass(&self.state, &Dirty::all(), self.moment(), &mut || {
            counter += 1;
            counter
        });
        let takes_a_day = |op: &TaskOp| matches!(op, TaskOp::Orphan { .. });
        let timeless = |command: &&Command| !matches!(command, Command::Tasks(ops) if ops.iter().all(takes_a_day));
        match left.iter().find(timeless) {
            Some(command) => Err(format!("no event told of {command:?}")),
            None => Ok(()),
        }
    }

    /// Nodes hear what is new for them, agents take their steps, engines end what is due, managers hear of it.
    fn agents(&mut self) -> Result<bool, String> {
        let mut moved = false;
        for index in 0..self.machines.len() {
            let id = self.machines[index].id;
            let heard = !self.unheard.contains(&id);
            match heard {
                true => self.tell(index),
                false => self.machines[index].cut_off(),
            }
            moved |= self.work(index);
            for report in self.machines[index].reports().into_iter().filter(|_| heard) {
                let heard = Some(self.now);
                let report = TaskOp::Report(Box::new(StatusReport { heard, ..report }));
                self.apply(Command::Tasks(vec![report]))
                    .map_err(|why| format!("a report is refused: {why}"))?;
                moved = true;
            }
        }
        Ok(moved)
    }

    /// What is new for it. Every node has at once what it is told, so that what is let go may be stopped.
    fn tell(&mut self, index: usize) {
        let (machine, now) = (&mut self.machines[index], self.now);
        if !machine.up {
            return;
        }
        let forgotten = control::forgotten(&self.state, machine.id, machine.kept());
        let released: Vec<TaskId> = control::let_go(&self.state, machine.id).into_keys().collect();
        if let Some(view) = node_view(&self.state, machine.id, self.state.applied()) {
            let same = |known: &Arc<model::NodeView>| known.checksum() == view.checksum();
            let has_it = !machine.begins() && machine.view.as_ref().is_some_and(same);
            if !has_it {
                machine.take(Update::Whole(view), now);
            }
        }
        machine.reached(&forgotten, &released, now);
    }

    fn work(&mut self, index: usize) -> bool {
        let (now, id) = (self.now, self.machines[index].id);
        let over: Vec<_> = self
            .due
            .range(..=(now, u64::MAX))
            .map(|(key, (node, due))| (*key, *node, *due))
            .collect();
        let mut moved = false;
        for (key, _, due) in over.into_iter().filter(|(_, node, _)| *node == id) {
            self.due.remove(&key);
            self.ends(index, due);
            moved = true;
        }
        if !self.machines[index].up {
            return moved;
        }
        for (task, operation) in self.machines[index].steps(now) {
            let span = match operation {
                Operation::Prepare => self.takes.prepare,
                Operation::Start => self.takes.start,
                Operation::Stop => self.takes.stop,
                Operation::Remove => Duration::ZERO,
            };
            self.later(span, id, Due::Done(task, operation));
            moved = true;
        }
        moved
    }

    fn later(&mut self, span: Duration, node: NodeId, due: Due) {
        let number = self.id() as u64;
        self.due.insert((self.now + span, number), (node, due));
    }

    fn ends(&mut self, index: usize, due: Due) {
        let now = self.now;
        match due {
            Due::Exit(task, code) => self.machines[index].crash(task, code),
            Due::Done(task, operation) => {
                let image = self
                    .state
                    .task(task)
                    .map(|task| task.container.image.clone())
                    .unwrap_or_default();
                let well = operation != Operation::Prepare || !self.missing.contains(&image);
                self.machines[index].done(task, operation, well, now);
                if let (Operation::Start, Some((span, code))) = (operation, self.exits.get(&image).copied()) {
                    let id = self.machines[index].id;
                    self.later(span, id, Due::Exit(task, code));
                }
            }
        }
    }

    /// The node's operations come to nothing.
    pub fn forget_operations(&mut self, id: NodeId) {
        self.due.retain(|_, (node, _)| *node != id);
    }
}
