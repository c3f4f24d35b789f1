//! A crew over states that the test makes.

use model::{NodeState, ServiceId, ServiceSpec, Slot, TaskState, TaskStatus, Timestamp};
use store::{Command, NewService, State, StatusReport, TaskOp};

use super::*;
use crate::logs::{Desk, Told};

const AT: Timestamp = Timestamp(1);
const NODE: NodeId = NodeId::from_bits(1);
const WEB: ServiceId = ServiceId::from_bits(1);

fn id(task: u128) -> TaskId {
    TaskId::from_bits(task)
}

fn service() -> Command {
    Command::CreateService(Box::new(NewService {
        id: WEB,
        at: AT,
        spec: ServiceSpec::new("web".parse().unwrap(), "image"),
        vips: Vec::new(),
        ports: Vec::new(),
    }))
}

/// A running task of the service on the node.
fn task(task: u32) -> Command {
    let service = (WEB, "web".parse().unwrap());
    let container = std::sync::Arc::new(model::ContainerSpec::of("image"));
    let slot: Slot = task.try_into().unwrap();
    let task = Task {
        node: Some(NODE),
        status: TaskStatus::of(TaskState::Running, AT),
        ..Task::new(id(task.into()), service, slot, container, AT)
    };
    Command::Tasks(vec![TaskOp::Create(Box::new(task))])
}

fn ends(task: u128) -> Command {
    Command::Tasks(vec![TaskOp::Report(Box::new(StatusReport {
        node: NODE,
        task: id(task),
        status: TaskStatus::of(TaskState::Failed, AT),
        heard: None,
    }))])
}

fn goes(task: u128) -> Command {
    Command::Tasks(vec![TaskOp::Remove { task: id(task) }])
}

fn is(state: NodeState) -> Command {
    Command::NodeStatus {
        id: NODE,
        at: AT,
        state,
        message: String::new(),
    }
}

struct Bench {
    state: State,
    crew: Crew,
    wanted: Wanted,
    told: Told,
    telling: Telling,
    answers: mpsc::Receiver<Result<pb::LogsResponse, tonic::Status>>,
    _said: mpsc::Receiver<Said>,
}

/// Service `web` on a node that is up, and whoever follows it.
fn bench() -> Bench {
    let (desk, mut state) = (Desk::default(), State::default());
    let node = Command::join(NODE, AT, model::Role::Worker, [192, 0, 2, 1].into());
    for command in [node, is(NodeState::Ready), service()] {
        state.apply_draft(command).unwrap();
    }
    let (to, said) = mpsc::channel(1);
    let (up, answers) = mpsc::channel(8);
    Bench {
        state,
        crew: Crew::new(desk.open(true, false).unwrap(), to),
        wanted: Wanted {
            services: [WEB].into(),
            ..Wanted::default()
        },
        told: desk.told(NODE),
        telling: Telling::new(up),
        answers,
        _said: said,
    }
}

impl Bench {
    fn muster(&mut self, changes: impl IntoIterator<Item = Command>) {
        for change in changes {
            self.state.apply_draft(change).unwrap();
        }
        let now = Instant::now();
        self.crew.muster(&self.wanted, &self.state, &mut self.telling, now);
    }

    fn look(&mut self) {
        self.crew.look(&self.state, &mut self.telling, Instant::now());
    }

    /// The tasks that are wished of the node, and those of them that have ended; `None`: nothing new.
    fn wished(&mut self) -> Option<(Vec<String>, Vec<String>)> {
        let news = self.told.news()?.wishes.into_iter().next().unwrap_or_default();
        Some((news.tasks.into_iter().map(|task| task.task).collect(), news.ended))
    }

    async fn reasons(&mut self) -> Vec<String> {
        assert!(self.telling.flush().await.is_ok());
        let answers = std::iter::from_fn(|| self.answers.try_recv().ok());
        let notes = answers.flat_map(|answer| answer.unwrap().notes);
        notes.map(|note| note.reason).collect()
    }
}

fn names(tasks: &[u128]) -> Vec<String> {
    tasks.iter().map(|task| id(*task).to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_task_is_wished_until_it_has_been_gone_for_a_moment() {
    let mut bench = bench();
    bench.muster([task(1), task(2)]);
    assert_eq!(bench.wished(), Some((names(&[1, 2]), names(&[]))));
    bench.muster([ends(1)]);
    assert_eq!(bench.wished(), Some((names(&[1, 2]), names(&[1]))));
    bench.muster([goes(1), task(3)]);
    assert_eq!(bench.wished(), Some((names(&[1, 2, 3]), names(&[1]))), "its last lines");
    tokio::time::advance(LINGER / 2).await;
    bench.crew.put_off(&[id(1)].into(), Instant::now());
    tokio::time::advance(LINGER / 2).await;
    bench.look();
    assert_eq!(bench.crew.gone.len(), 1, "it has said something in between");
    tokio::time::advance(LINGER / 2).await;
    bench.look();
    assert_eq!(bench.wished().unwrap(), (names(&[2, 3]), names(&[])));
    bench.muster([ends(2), goes(2), ends(3), goes(3)]);
    tokio::time::advance(LINGER).await;
    bench.look();
    assert_eq!(bench.wished().unwrap(), (names(&[]), names(&[])), "nor the node");
    assert!(bench.crew.posts.is_empty() && bench.crew.gone.is_empty() && bench.crew.goes_on());
}

#[tokio::test(start_paused = true)]
async fn a_node_is_missed_only_for_tasks_that_may_print() {
    let mut bench = bench();
    bench.muster([task(1), ends(1), is(NodeState::Down)]);
    assert_eq!(bench.wished(), Some((names(&[1]), names(&[1]))));
    tokio::time::advance(Duration::from_secs(60)).await;
    bench.look();
    assert_eq!(bench.reasons().await, Vec::<String>::new());
    bench.muster([task(2)]);
    bench.look();
    assert_eq!(bench.reasons().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_removed_is_dismissed() {
    let mut bench = bench();
    bench.muster([task(1)]);
    assert!(bench.crew.is_touched(&Event::Node(NODE)));
    let (id, at, force) = (NODE, AT, true);
    bench.muster([Command::RemoveNode { id, at, force }]);
    assert_eq!(bench.wished(), None, "it was wished and is not, in one step");
    assert!(!bench.crew.is_touched(&Event::Node(NODE)));
}
