//! Images, health checks and probes: when a task counts as running, and when it takes traffic.

use model::{HealthCheck, HealthTest, Probe, PullPolicy};

use super::*;

/// Task 1 with another spec.
fn view_of(change: impl FnOnce(&mut model::ContainerSpec)) -> NodeView {
    let mut view = fixture::view(&[1]);
    change(Arc::make_mut(&mut view.tasks[0].container));
    view
}

fn probed() -> NodeView {
    view_of(|spec| spec.probe = Some(Probe::of("tcp://:80".parse().unwrap())))
}

impl Bench {
    async fn until_ready(&mut self, ready: bool) -> TaskStatus {
        let fits = |s: &Statuses| {
            let status = s.get(&id(1));
            status.is_some_and(|s| s.state == TaskState::Running && s.not_ready != ready)
        };
        let reached = tokio::time::timeout(Duration::from_secs(60), self.statuses.wait_for(fits)).await;
        reached.expect("in time").unwrap()[&id(1)].clone()
    }

    fn serves(&self) -> bool {
        let effective = self.effective.borrow();
        effective.as_ref().is_some_and(|seen| seen.view.endpoints[0].serving)
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_is_pulled_and_one_that_is_here_is_not() {
    let mut bench = bench(FakeRuntime::default().with_registry(&["busybox"]), None, false);
    bench.tell(fixture::view(&[1, 2]));
    bench.until(1, TaskState::Running).await;
    bench.until(2, TaskState::Running).await;
    let pulls = bench.runtime.calls().into_iter().filter(|c| c == "pull busybox");
    assert_eq!(pulls.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_never_pulled_must_be_here() {
    let runtime = FakeRuntime::default().with_registry(&["busybox"]);
    let mut bench = bench(runtime, None, false);
    bench.tell(view_of(|spec| spec.pull = PullPolicy::Never));
    let status = bench.until(1, TaskState::Rejected).await;
    assert_eq!(status.err, "No such image: busybox");
}

#[tokio::test(start_paused = true)]
async fn with_a_health_check_a_task_takes_traffic_when_it_is_well_and_not_before() {
    let mut bench = bench(engine(), None, false);
    bench.tell(view_of(|spec| {
        spec.health = Some(HealthCheck {
            test: HealthTest::Shell("true".to_owned()),
            interval: None,
            timeout: None,
            retries: None,
            start_period: None,
            start_interval: None,
        });
    }));
    bench.until(1, TaskState::Starting).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bench.statuses.borrow()[&id(1)].state, TaskState::Starting);
    assert!(!bench.serves());
    bench.runtime.health(id(1), ContainerState::Running);
    bench.until(1, TaskState::Running).await;
    assert!(bench.serves());
    let last = "no route".to_owned();
    bench.runtime.health(id(1), ContainerState::Unhealthy { last });
    let status = bench.until(1, TaskState::Failed).await;
    assert_eq!(status.err, "task: unhealthy container: no route");
    bench.settled(|_| bench.is_ended(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_takes_a_task_out_at_once_back_again_and_in_the_end_away() {
    let mut bench = bench(engine(), None, false);
    bench.runtime.answer(id(1), Err("connection refused"));
    let mut view = probed();
    Arc::make_mut(&mut view.tasks[0].container)
        .probe
        .as_mut()
        .unwrap()
        .start_period = Duration::from_secs(60);
    bench.tell(view);
    bench.until(1, TaskState::Starting).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let waiting = bench.statuses.borrow()[&id(1)].clone();
    assert_eq!(waiting.message, "starting: probe: connection refused");
    bench.runtime.answer(id(1), Ok(()));
    bench.until_ready(true).await;
    assert!(bench.serves());
    tokio::time::sleep(Duration::from_secs(60)).await;
    bench.runtime.answer(id(1), Err("status 503"));
    let out = bench.until_ready(false).await;
    assert_eq!(out.message, "not ready: probe: status 503");
    assert!(!bench.serves(), "before the managers know");
    bench.runtime.answer(id(1), Ok(()));
    bench.until_ready(true).await;
    bench.runtime.answer(id(1), Err("status 503"));
    let status = bench.until(1, TaskState::Failed).await;
    assert_eq!(status.err, "task: probe failed: status 503");
}

#[tokio::test(start_paused = true)]
async fn a_ready_command_decides_on_traffic_only() {
    let mut bench = bench(engine(), None, false);
    bench.tell(view_of(|spec| spec.ready_command = vec!["check".to_owned()]));
    bench.until_ready(true).await;
    bench.runtime.answer(id(1), Err("exit code 1"));
    bench.until_ready(false).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bench.statuses.borrow()[&id(1)].state, TaskState::Running);
    bench.runtime.answer(id(1), Ok(()));
    bench.until_ready(true).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_no_bad_answer() {
    for command in [false, true] {
        let mut bench = bench(engine(), None, false);
        bench.tell(if command {
            view_of(|spec| spec.ready_command = vec!["check".to_owned()])
        } else {
            probed()
        });
        bench.until_ready(true).await;
        bench.runtime.hang(true);
        tokio::time::sleep(Duration::from_secs(600)).await;
        let status = bench.statuses.borrow()[&id(1)].clone();
        assert_eq!((status.state, status.not_ready), (TaskState::Running, false));
        assert!(bench.serves());
        bench.runtime.answer(id(1), Err("exit code 1"));
        bench.runtime.hang(false);
        bench.until_ready(false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_without_a_value_rejects_the_task_in_words() {
    let mut bench = bench(engine(), None, false);
    bench.tell(view_of(|spec| spec.env = vec!["A={{.Service.Labels.none}}".to_owned()]));
    let status = bench.until(1, TaskState::Rejected).await;
    assert!(
        status.err.ends_with("service web has no label \"none\""),
        "{}",
        status.err
    );
}
