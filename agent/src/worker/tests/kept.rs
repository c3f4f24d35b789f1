//! Ended containers: kept, stopped, as long as their tasks are remembered, and for nothing but what they have printed.

use plan::tasks::MOST_KEPT;

use super::*;

fn exited() -> ContainerState {
    ContainerState::Exited {
        code: 1,
        error: String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_task_of_a_slot_runs_beside_what_the_last_one_left() {
    let mut bench = bench(engine(), None, false);
    bench.tell(fixture::view(&[1]));
    bench.until(1, TaskState::Running).await;
    bench.runtime.exit(id(1), 1);
    bench.until(1, TaskState::Failed).await;
    bench.tell(NodeView {
        seq: 2,
        ..fixture::view(&[2])
    });
    bench.until(2, TaskState::Running).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(bench.is_ended(1) && !bench.is_ended(2));
    assert_eq!(bench.kept.borrow().iter().collect::<Vec<_>>(), [&id(1)]);
    bench.forgotten.send_replace([id(1), id(2)].into());
    bench.settled(|r| r.containers().len() == 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!bench.is_ended(2), "what is assigned is not forgotten");
    assert_eq!(bench.runtime.containers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_starts_keeps_what_an_earlier_one_kept() {
    let runtime = engine();
    runtime.place(id(9), exited());
    let mut bench = bench(runtime, Some(current(fixture::view(&[1]), false)), true);
    bench.until(1, TaskState::Running).await;
    assert!(bench.is_ended(9), "after a boot it is not run again");
    assert!(bench.kept.borrow().is_empty(), "the managers have not spoken yet");
    bench.tell(fixture::view(&[1]));
    bench.kept.wait_for(|kept| *kept == [id(9)].into()).await.unwrap();
    bench.forgotten.send_replace([id(9)].into());
    bench.settled(|r| r.containers().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_made_and_never_started_is_not_kept() {
    let runtime = engine();
    runtime.place(id(9), ContainerState::Created);
    let bench = bench(runtime, None, false);
    bench.tell(fixture::view(&[1]));
    bench
        .settled(|r| r.calls().iter().any(|call| call == "remove c1"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn without_end_nothing_piles_up() {
    let runtime = engine();
    for number in 10..10 + MOST_KEPT as u32 + 3 {
        runtime.place(id(number), exited());
    }
    let bench = bench(runtime, None, false);
    bench.tell(fixture::view(&[]));
    bench.settled(|r| r.containers().len() == MOST_KEPT).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.runtime.containers().len(), MOST_KEPT);
}
