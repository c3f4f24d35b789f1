//! Without managers, and with an engine that ends or hangs.

use super::*;

/// Whose tasks are run again at once.
fn without_delay(mut view: NodeView) -> NodeView {
    view.services = vec![model::ServiceView {
        id: model::ServiceId::from_bits(1),
        name: "web".parse().unwrap(),
        vips: vec![],
        aliases: vec![],
        restart: Some(model::RestartPolicy {
            delay: Duration::ZERO,
            ..model::RestartPolicy::default()
        }),
        ports: vec![],
        canary: None,
        earlier_ports: Vec::new(),
    }];
    view
}

impl Bench {
    /// No manager is in reach any more, or one is again.
    fn cut_off(&self, cut: bool) {
        self.session.send_replace(SessionState {
            since: cut.then(now),
            manager: (!cut).then(|| "192.0.2.9:2377".to_owned()),
            ..SessionState::default()
        });
    }

    fn running(&self) -> usize {
        let containers = self.runtime.containers();
        let running = containers
            .iter()
            .filter(|c| c.container.state == ContainerState::Running);
        running.count()
    }
}

/// One that is not assigned any more, and one that is to end: nothing was made for either.
#[tokio::test]
async fn a_pull_that_hangs_holds_up_no_task_that_goes() {
    let mut bench = bench(FakeRuntime::default().with_hanging_pull(&["busybox"]), None, false);
    bench.tell(fixture::view(&[1, 2]));
    for number in [1, 2] {
        bench.until(number, TaskState::Preparing).await;
    }
    bench.settled(|r| r.calls().len() == 2).await;
    let mut view = fixture::view(&[1]);
    view.tasks[0].desired = DesiredState::Shutdown;
    bench.tell(view);
    bench.until(1, TaskState::Shutdown).await;
    assert!(bench.runtime.containers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_managers_a_task_that_ends_is_run_again_by_its_node() {
    let mut bench = bench(engine(), None, false);
    bench.tell(without_delay(fixture::view(&[1])));
    let first = bench.until(1, TaskState::Running).await;
    bench.cut_off(true);
    bench.runtime.exit(id(1), 1);
    bench
        .settled(|r| r.calls().iter().filter(|c| *c == "start c1").count() == 2)
        .await;
    assert_eq!((bench.running(), bench.runtime.containers().len()), (1, 1));
    let again = |s: &Statuses| s[&id(1)].message == "started again";
    let statuses = bench.statuses.wait_for(again).await.unwrap().clone();
    assert_eq!(statuses[&id(1)].state, TaskState::Running);
    assert_eq!(statuses[&id(1)].container, first.container);
    bench.cut_off(false);
    bench.runtime.exit(id(1), 1);
    bench.until(1, TaskState::Failed).await;
}

#[tokio::test(start_paused = true)]
async fn without_managers_a_container_that_is_gone_is_made_again() {
    let runtime = engine();
    let mut view = without_delay(fixture::view(&[1]));
    view.tasks[0].status.state = TaskState::Running;
    let bench = bench(runtime, Some(current(view, false)), false);
    bench.cut_off(true);
    bench
        .settled(|r| {
            r.containers()
                .iter()
                .any(|c| c.container.state == ContainerState::Running)
        })
        .await;
    assert_eq!(bench.runtime.containers().len(), 1);
    assert_eq!(bench.statuses.borrow()[&id(1)].state, TaskState::Running);
}

#[tokio::test(start_paused = true)]
async fn managers_that_come_back_soon_hear_of_the_end() {
    let mut bench = bench(engine(), None, false);
    bench.tell(fixture::view(&[1]));
    bench.until(1, TaskState::Running).await;
    bench.cut_off(true);
    bench.runtime.exit(id(1), 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        bench.statuses.borrow()[&id(1)].state,
        TaskState::Running,
        "not decided yet"
    );
    bench.cut_off(false);
    let status = bench.until(1, TaskState::Failed).await;
    assert!(!status.engine_restarted);
}

#[tokio::test(start_paused = true)]
async fn what_ends_with_the_engine_is_told_as_that() {
    let mut bench = bench(engine(), None, false);
    bench.tell(fixture::view(&[1, 2, 3]));
    for number in [1, 2, 3] {
        bench.until(number, TaskState::Running).await;
    }
    bench.runtime.leave();
    bench.runtime.exit(id(1), 0);
    let status = bench.until(1, TaskState::Failed).await;
    assert!(status.engine_restarted, "whatever its exit code is: {status:?}");
    bench.runtime.exit_unheard(id(2), 137);
    bench.runtime.relist();
    assert!(bench.until(2, TaskState::Failed).await.engine_restarted);
    bench.runtime.exit(id(3), 137);
    let status = bench.until(3, TaskState::Failed).await;
    assert!(!status.engine_restarted, "after the engine is back: {status:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_gets_each_question_once() {
    let mut bench = bench(engine(), None, false);
    bench.tell(fixture::view(&[1]));
    bench.until(1, TaskState::Running).await;
    let serving = bench.effective.borrow().clone();
    bench.runtime.hang(true);
    bench.tell(NodeView {
        seq: 2,
        ..fixture::view(&[1, 2])
    });
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bench.running(), 1);
    assert_eq!(
        bench
            .effective
            .borrow()
            .as_ref()
            .map(|seen| seen.view.endpoints[0].serving),
        Some(true),
        "{serving:?}"
    );
    assert!(bench.runtime.waiting() <= 2, "a list and a creation");
    bench.runtime.hang(false);
    bench.until(2, TaskState::Running).await;
    assert_eq!((bench.running(), bench.runtime.containers().len()), (2, 2));
}
