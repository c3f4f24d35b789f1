use model::DesiredState;

use super::*;
use crate::container::{Asked, NodeFacts, fixture};

const SECOND: i64 = 1_000_000_000;

/// At so many seconds of the wall clock, `run` seconds after the agent began.
fn at(wall: i64, run: u64) -> Now {
    Now {
        wall: Timestamp(wall * SECOND),
        run: Duration::from_secs(run),
    }
}

fn decide(tasks: &mut Tasks, now: Now) -> Vec<Order> {
    decide_when(false, tasks, now)
}

fn decide_when(cut_off: bool, tasks: &mut Tasks, now: Now) -> Vec<Order> {
    let edges = Edges {
        cut_off,
        has_files: &|_| true,
        facts: NodeFacts {
            os: "linux",
            arch: "x86_64",
        },
    };
    tasks.decide(edges, now)
}

/// A node that knows this task from a confirmed view, and has these containers.
fn knowing(task: Task, past: Past, list: Vec<Listed>) -> Tasks {
    let mut tasks = Tasks::new(past);
    let mut view = fixture::view();
    view.tasks = vec![task];
    let current = CurrentView::from_managers(Arc::new(view));
    tasks.take_view(Some(current), &BTreeSet::new(), at(100, 0));
    tasks.known.take_list(0, list);
    tasks
}

fn running() -> Task {
    let mut task = fixture::task(1);
    task.status.state = TaskState::Running;
    task
}

#[test]
fn a_task_that_was_replaced_while_its_node_was_off_is_not_made_again() {
    let rebooted = || Past {
        rebooted: true,
        ..Past::default()
    };
    let mut wanted = knowing(running(), rebooted(), Vec::new());
    assert!(matches!(decide(&mut wanted, at(100, 1))[..], [Order::Prepare { .. }]));
    let mut replaced = running();
    replaced.desired = DesiredState::Shutdown;
    let mut replaced = knowing(replaced, rebooted(), Vec::new());
    let orders = decide(&mut replaced, at(100, 1));
    assert!(
        orders
            .iter()
            .all(|order| matches!(order, Order::Note { .. } | Order::Wipe(_))),
        "{orders:?}"
    );
}

#[test]
fn words_about_a_task_are_later_than_the_last_ones_although_the_clock_was_set_back() {
    let mut task = fixture::task(1);
    task.status.state = TaskState::Preparing;
    task.status.at = at(5000, 0).wall;
    let id = task.id;
    let mut tasks = knowing(task, Past::default(), Vec::new());
    tasks.known.say(id, "pulling: 10 %".to_owned(), at(1400, 1).wall);
    let status = &tasks.statuses()[&id];
    assert_eq!(status.message, "pulling: 10 %");
    assert!(status.at > at(5000, 0).wall, "{:?}", status.at);
}

/// The saved view is from before the task was not ready, and it is well again.
#[test]
fn a_task_that_is_well_again_is_told_after_the_last_word_of_the_agent_before() {
    let mut task = running();
    task.container = {
        let mut container = (*task.container).clone();
        container.probe = Some(model::Probe::of("tcp://:80".parse().unwrap()));
        Arc::new(container)
    };
    task.status.at = at(50, 0).wall;
    let id = task.id;
    let container = Container {
        id: "c1".to_owned(),
        state: ContainerState::Running,
    };
    let mut tasks = knowing(task.clone(), Past::default(), vec![Listed { task: id, container }]);
    tasks.known.take_answer(id, "c1", Asked::Probe, Ok(()), true);
    decide(&mut tasks, at(100, 1));
    assert_eq!(
        tasks.statuses()[&id].at,
        at(50, 0).wall,
        "nothing new as far as it knows"
    );
    (task.status.at, task.status.not_ready) = (at(90, 0).wall, true);
    let mut view = fixture::view();
    view.tasks = vec![task];
    let current = CurrentView::from_managers(Arc::new(view));
    tasks.take_view(Some(current), &BTreeSet::new(), at(101, 2));
    decide(&mut tasks, at(101, 2));
    let told = &tasks.statuses()[&id];
    assert!(!told.not_ready && told.at > at(90, 0).wall, "{told:?}");
}

#[test]
fn a_clock_that_is_set_back_holds_up_no_task_that_its_node_runs_again() {
    let mut task = running();
    task.service = model::ServiceId::from_bits(1);
    let id = task.id;
    let (code, error) = (1, String::new());
    let container = Container {
        id: "c1".to_owned(),
        state: ContainerState::Exited { code, error },
    };
    let mut tasks = knowing(task, Past::default(), vec![Listed { task: id, container }]);
    assert_eq!(
        decide_when(true, &mut tasks, at(10_000, 1)),
        [],
        "managers may be back soon"
    );
    let back = at(2_800, 2);
    assert_eq!(decide_when(true, &mut tasks, back), []);
    let left = tasks.sleep(back);
    assert!(left < Duration::from_secs(10), "{left:?}");
    let later = Now {
        run: back.run + left,
        ..back
    };
    let orders = decide_when(true, &mut tasks, later);
    assert!(orders.contains(&Order::NoteAgain(id)), "{orders:?}");
}
