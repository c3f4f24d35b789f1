//! The worker over a fake engine: whole lives of tasks.

use model::{DesiredState, NodeView, TaskState, TaskStatus};
use plan::container::ContainerState;

use super::*;
use crate::runtime::fake::FakeRuntime;

mod files;
mod kept;
mod ready;
mod trouble;

struct Bench {
    runtime: Arc<FakeRuntime>,
    views: watch::Sender<Option<CurrentView>>,
    effective: watch::Receiver<Option<CurrentView>>,
    statuses: watch::Receiver<Statuses>,
    session: watch::Sender<SessionState>,
    released: watch::Sender<BTreeSet<TaskId>>,
    kept: watch::Receiver<BTreeSet<TaskId>>,
    forgotten: watch::Sender<BTreeSet<TaskId>>,
    worker: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

/// A worker over `runtime`.
fn bench(runtime: FakeRuntime, first: Option<CurrentView>, rebooted: bool) -> Bench {
    let ends = Statuses::new();
    bench_with_past(runtime, first, Past { rebooted, ends })
}

fn bench_with_past(runtime: FakeRuntime, first: Option<CurrentView>, past: Past) -> Bench {
    let runtime = Arc::new(runtime);
    let folder = tempfile::tempdir().unwrap();
    let (views, seen) = watch::channel(first);
    let (effective, effective_seen) = watch::channel(None);
    let (statuses, statuses_seen) = watch::channel(Statuses::new());
    let (session, session_seen) = watch::channel(SessionState::default());
    let (released, released_seen) = watch::channel(BTreeSet::new());
    let (kept, kept_seen) = watch::channel(BTreeSet::new());
    let (forgotten, forgotten_seen) = watch::channel(BTreeSet::new());
    let ports = Ports {
        views: seen,
        effective,
        statuses,
        session: session_seen,
        vault: Vault::plain(folder.path()),
        papers: crate::gate::Papers::new(folder.path()),
        released: released_seen,
        kept,
        forgotten: forgotten_seen,
    };
    Bench {
        worker: spawn(runtime.clone(), ports, past),
        runtime,
        views,
        effective: effective_seen,
        statuses: statuses_seen,
        session,
        folder,
        released,
        kept: kept_seen,
        forgotten,
    }
}

fn current(view: NodeView, confirmed: bool) -> CurrentView {
    match confirmed {
        true => CurrentView::from_managers(Arc::new(view)),
        false => CurrentView::from_disk(Arc::new(view)),
    }
}

fn id(number: u32) -> TaskId {
    TaskId::from_bits(number.into())
}

fn engine() -> FakeRuntime {
    FakeRuntime::with_images(&["busybox"])
}

impl Bench {
    fn tell(&self, view: NodeView) {
        self.views.send_replace(Some(current(view, true)));
    }

    /// Waits until task `number` is in `state`. Virtual time: it costs nothing.
    async fn until(&mut self, number: u32, state: TaskState) -> TaskStatus {
        let reached = self
            .statuses
            .wait_for(|s| s.get(&id(number)).is_some_and(|s| s.state == state));
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        let statuses = reached
            .unwrap_or_else(|_| panic!("task {number} never is {state}"))
            .unwrap();
        statuses[&id(number)].clone()
    }

    /// Whether the container of task `number` is there and has ended.
    fn is_ended(&self, number: u32) -> bool {
        let containers = self.runtime.containers();
        let found = containers.iter().find(|c| c.task == id(number));
        found.is_some_and(|c| matches!(c.container.state, ContainerState::Exited { .. }))
    }

    /// Waits until the engine's containers are as `wanted` says.
    async fn settled(&self, wanted: impl Fn(&FakeRuntime) -> bool) {
        for _ in 0..1000 {
            if wanted(&self.runtime) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "never: {:?} after {:?}",
            self.runtime.containers(),
            self.runtime.calls()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn assigned_tasks_run() {
    let mut bench = bench(engine(), None, false);
    bench.tell(fixture::view(&[1, 2]));
    for number in [1, 2] {
        let status = bench.until(number, TaskState::Running).await;
        assert!(status.container.is_some());
    }
    assert_eq!(bench.runtime.containers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_rejects_the_task_by_name() {
    let mut bench = bench(FakeRuntime::default(), None, false);
    bench.tell(fixture::view(&[1]));
    let status = bench.until(1, TaskState::Rejected).await;
    assert_eq!(status.err, "No such image: busybox");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_dies_fails_its_task_and_takes_no_more_traffic() {
    let mut bench = bench(engine(), None, false);
    bench.tell(fixture::view(&[1]));
    bench.until(1, TaskState::Running).await;
    bench.runtime.exit(id(1), 137);
    let status = bench.until(1, TaskState::Failed).await;
    assert_eq!(status.err, "task: non-zero exit (137)");
    assert_eq!(status.exit_code, Some(137));
    let effective = bench.effective.borrow().clone().unwrap().view;
    assert!(!effective.endpoints[0].serving, "before the managers know");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_shut_down_leaves_what_it_has_printed_until_it_is_forgotten() {
    let mut bench = bench(engine(), None, false);
    let mut view = fixture::view(&[1]);
    bench.tell(view.clone());
    bench.until(1, TaskState::Running).await;
    view.seq = 2;
    view.tasks[0].desired = DesiredState::Shutdown;
    bench.tell(view.clone());
    bench.until(1, TaskState::Shutdown).await;
    view.tasks.clear();
    bench.tell(view);
    bench.kept.wait_for(|kept| *kept == [id(1)].into()).await.unwrap();
    bench.settled(|_| bench.statuses.borrow().is_empty()).await;
    assert!(bench.is_ended(1), "{:?}", bench.runtime.containers());
    bench.forgotten.send_replace([id(1)].into());
    bench.settled(|r| r.containers().is_empty()).await;
    bench.kept.wait_for(BTreeSet::is_empty).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_task_that_served_is_stopped_when_nobody_connects_to_it_any_more() {
    let mut bench = bench(engine(), None, false);
    let mut view = fixture::view(&[1, 2]);
    bench.tell(view.clone());
    for number in [1, 2] {
        bench.until(number, TaskState::Running).await;
    }
    view.seq = 2;
    for task in &mut view.tasks {
        (task.status.state, task.desired) = (TaskState::Running, DesiredState::Shutdown);
    }
    bench.tell(view);
    let running = |bench: &Bench| {
        let all = bench.runtime.containers();
        let run = all.into_iter().filter(|c| c.container.state == ContainerState::Running);
        run.map(|c| c.task).collect::<BTreeSet<_>>()
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        running(&bench),
        [id(1), id(2)].into(),
        "the managers have not said so yet"
    );
    bench.released.send_replace([id(1)].into());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(running(&bench), [id(2)].into());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(running(&bench), [].into(), "longer than 5 s nobody waits");
}

#[tokio::test(start_paused = true)]
async fn running_containers_are_kept_over_a_restart_of_the_agent() {
    let runtime = engine();
    let container = runtime.place(id(1), ContainerState::Running);
    let mut bench = bench(runtime, Some(current(fixture::view(&[1]), false)), false);
    let status = bench.until(1, TaskState::Running).await;
    assert_eq!(status.container, Some(container));
    assert_eq!(bench.runtime.calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn network_and_resolver_hear_whether_the_managers_have_spoken() {
    let mut bench = bench(engine(), Some(current(fixture::view(&[1]), false)), false);
    bench.until(1, TaskState::Running).await;
    let told = |bench: &Bench| bench.effective.borrow().as_ref().map(|seen| seen.confirmed);
    assert_eq!(told(&bench), Some(false));
    bench.tell(fixture::view(&[1]));
    bench.settled(|_| told(&bench) == Some(true)).await;
}

#[tokio::test(start_paused = true)]
async fn containers_of_unknown_tasks_go_when_the_managers_have_spoken() {
    let runtime = engine();
    runtime.place(id(9), ContainerState::Running);
    let mut bench = bench(runtime, Some(current(fixture::view(&[1]), false)), false);
    bench.until(1, TaskState::Running).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.runtime.containers().len(), 2, "a saved view is no reason");
    bench.tell(fixture::view(&[1]));
    bench.kept.wait_for(|kept| *kept == [id(9)].into()).await.unwrap();
    bench.forgotten.send_replace([id(9)].into());
    bench.settled(|r| r.containers().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_boot_without_managers_containers_run_again() {
    let runtime = engine();
    let state = ContainerState::Exited {
        code: 255,
        error: String::new(),
    };
    runtime.place(id(1), state);
    let mut view = fixture::view(&[1]);
    view.tasks[0].status.state = TaskState::Running;
    let bench = bench(runtime, Some(current(view, false)), true);
    bench
        .settled(|r| {
            r.containers()
                .iter()
                .all(|c| c.container.state == ContainerState::Running)
        })
        .await;
    assert_eq!(bench.runtime.calls(), ["start c1"]);
}

/// The managers were told and gave the address of the first and second task to others; the view is from before that.
#[tokio::test(start_paused = true)]
async fn tasks_whose_ends_were_told_do_not_run_again_without_managers() {
    for rebooted in [false, true] {
        let runtime = engine();
        let (code, error) = (127, String::new());
        runtime.place(id(1), ContainerState::Exited { code, error });
        let mut view = fixture::view(&[1, 2, 3]);
        view.tasks[0].status.state = TaskState::Running;
        let mut ends: Statuses = view.tasks[..2].iter().map(|t| (t.id, t.status.clone())).collect();
        ends.values_mut().for_each(|status| status.state = TaskState::Failed);
        let mut bench = bench_with_past(runtime, Some(current(view, false)), Past { rebooted, ends });
        bench.session.send_modify(|session| session.since = Some(now()));
        bench.until(3, TaskState::Running).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(bench.is_ended(1));
        let tasks: Vec<_> = bench.runtime.containers().iter().map(|c| c.task).collect();
        assert_eq!(tasks, [id(1), id(3)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_with_a_delay_is_made_at_once_and_started_later() {
    let mut bench = bench(engine(), None, false);
    let mut view = fixture::view(&[1]);
    view.tasks[0].desired = DesiredState::Ready;
    bench.tell(view.clone());
    bench.until(1, TaskState::Ready).await;
    assert_eq!(bench.runtime.calls().len(), 1, "created, not started");
    view.tasks[0].desired = DesiredState::Running;
    bench.tell(view);
    bench.until(1, TaskState::Running).await;
}
