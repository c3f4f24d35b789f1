//! Sessions with a manager that the test plays, over real TLS.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use model::{Role, TaskState, TaskStatus, Timestamp, ViewDelta};
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status};
use wire::pb::{
    dispatcher_server::{Dispatcher, DispatcherServer},
    session_down,
};

use super::*;
use crate::{
    identity::fixture::{Authority, serve_tls},
    runtime::fake::FakeRuntime,
    worker::fixture,
};

mod bench;

use bench::{Fake, Knows, bench, bench_behind, bench_with, manager, status};

#[tokio::test]
async fn a_node_whose_managers_have_all_moved_asks_where_an_operator_says() {
    let hint = |addr: &str| Knows {
        hints: Hints::of(&watch::Sender::new(vec![addr.to_owned()])),
        ..Knows::only(manager("127.0.0.1:1", true))
    };
    bench_with(hint).await.hear_hello().await;
}

#[tokio::test]
async fn a_managers_node_asks_its_own_when_all_that_it_was_told_of_have_moved() {
    let own = |addr: &str| Knows {
        own: addr.parse().ok(),
        ..Knows::only(manager("127.0.0.1:1", true))
    };
    bench_with(own).await.hear_hello().await;
}

#[tokio::test]
async fn only_changed_statuses_are_reported_and_a_new_session_hears_all() {
    let mut bench = bench().await;
    bench.hear_hello().await;
    let (one, two) = (TaskId::from_bits(1), TaskId::from_bits(2));
    let running = pb::TaskState::Running as i32;
    bench
        .statuses
        .send_modify(|s| drop(s.insert(one, status(TaskState::Running))));
    assert_eq!(bench.hear_reports().await, [(one.to_string(), running)]);
    bench
        .statuses
        .send_modify(|s| drop(s.insert(two, status(TaskState::Failed))));
    assert_eq!(bench.hear_reports().await.len(), 1, "the first is known");
    bench.hang_up();
    bench.hear_hello().await;
    assert_eq!(bench.hear_reports().await.len(), 2);
}

#[tokio::test]
async fn what_changes_of_the_machine_while_a_session_is_opened_is_told_in_it() {
    let mut bench = bench().await;
    bench.hear_hello().await;
    bench.state.wait_for(|state| state.manager.is_some()).await.unwrap();
    bench.holds.send_replace(true);
    bench.hang_up();
    bench.hear_hello().await;
    let changed = NodeDescription {
        engine_version: "29.1.2".to_owned(),
        ..bench::description()
    };
    bench.description.send_replace(Some(changed));
    bench.holds.send_replace(false);
    let pb::session_up::Message::Description(told) = bench.hear().await else {
        panic!("the change is not told");
    };
    assert_eq!(told.engine_version, "29.1.2");
}

#[tokio::test]
async fn reports_of_many_tasks_go_in_messages_that_a_manager_takes() {
    let mut bench = bench().await;
    bench.hear_hello().await;
    let long = TaskStatus {
        err: "x".repeat(8 << 10),
        ..status(TaskState::Failed)
    };
    let all = (0..1200).map(|number| (TaskId::from_bits(number), long.clone()));
    bench.statuses.send_replace(all.collect());
    let mut told = BTreeSet::new();
    while told.len() < 1200 {
        let part = bench.hear_reports().await;
        assert!(part.len() <= 500);
        told.extend(part);
    }
}

#[tokio::test]
async fn views_are_checked_and_taken() {
    let mut bench = bench().await;
    bench.hear_hello().await;
    let view = fixture::view(&[1]);
    bench.say(session_down::Message::View(view.clone().into())).await;
    let taken = bench.views.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert_eq!((&*taken.view, taken.confirmed), (&view, true));
    let mut strange = fixture::view(&[]);
    strange.node = model::NodeId::from_bits(9);
    bench.say(session_down::Message::View(strange.into())).await;
    bench.hear_hello().await;
    assert_eq!(
        bench.views.borrow().clone().unwrap().view.tasks.len(),
        1,
        "the other node's is not taken"
    );
}

#[tokio::test]
async fn released_tasks_are_known_as_long_as_they_are_in_the_view() {
    let mut bench = bench().await;
    bench.hear_hello().await;
    let view = |tasks: &[u32]| session_down::Message::View(fixture::view(tasks).into());
    bench.say(view(&[1, 2])).await;
    let ids = [1, 2].map(TaskId::from_bits);
    let tasks = ids.iter().map(ToString::to_string).collect();
    bench.say(session_down::Message::Released(pb::Released { tasks })).await;
    bench.released.wait_for(|known| *known == ids.into()).await.unwrap();
    bench.say(view(&[2])).await;
    bench
        .released
        .wait_for(|known| *known == [ids[1]].into())
        .await
        .unwrap();
}

#[tokio::test]
async fn ended_containers_are_told_once_and_forgotten_as_long_as_they_are_there() {
    let mut bench = bench().await;
    let ids = [1, 2, 3].map(TaskId::from_bits);
    bench.kept.send_replace([ids[0]].into());
    bench.hear_hello().await;
    let text = |id: TaskId| id.to_string();
    assert_eq!(bench.hear_kept().await, [text(ids[0])]);
    bench.kept.send_replace([ids[0], ids[1]].into());
    assert_eq!(bench.hear_kept().await, [text(ids[1])], "the first one is known");
    let tasks = ids.map(text).to_vec();
    bench
        .say(session_down::Message::Forgotten(pb::Forgotten { tasks }))
        .await;
    let both = |known: &BTreeSet<TaskId>| *known == [ids[0], ids[1]].into();
    bench.forgotten.wait_for(both).await.unwrap();
}

#[tokio::test]
async fn a_new_session_says_which_view_the_node_has_and_takes_what_changed() {
    let mut bench = bench().await;
    assert_eq!(bench.hear_hello().await.seq, 0, "nothing yet");
    let seq = |seq, tasks: &[u32]| NodeView {
        seq,
        ..fixture::view(tasks)
    };
    let (one, two, three) = (seq(1, &[1]), seq(2, &[1, 2]), seq(3, &[2]));
    let taken = |view: NodeView| move |now: &Option<CurrentView>| now.as_ref().is_some_and(|now| *now.view == view);
    bench.say(session_down::Message::View(one.clone().into())).await;
    bench.views.wait_for(taken(one.clone())).await.unwrap();
    bench.hang_up();
    let hello = bench.hear_hello().await;
    assert_eq!((hello.seq, hello.checksum), (1, one.checksum()));
    let delta = |old: &NodeView, new: &NodeView| session_down::Message::Delta(ViewDelta::between(old, new).into());
    bench.say(delta(&one, &two)).await;
    bench.views.wait_for(taken(two.clone())).await.unwrap();
    bench.say(delta(&one, &three)).await;
    let pb::session_up::Message::Resync(asked) = bench.hear().await else {
        panic!("a change of another view is not taken");
    };
    assert_eq!(asked.reason, "the change is of view 1, this node has view 2");
    bench.say(session_down::Message::View(three.clone().into())).await;
    bench.views.wait_for(taken(three)).await.unwrap();
    assert_eq!(bench.state.borrow().repairs, 1);
}

#[tokio::test]
async fn a_manager_that_answers_no_more_is_given_up() {
    let mut bench = bench().await;
    bench.hear_hello().await;
    bench.say(session_down::Message::Beat(pb::Beat::default())).await;
    // The connection is as good as ever, and nobody hangs up.
    bench.hear_hello().await;
}

#[tokio::test]
async fn a_clock_that_is_off_by_an_hour_is_told_and_the_session_goes_on() {
    let mut bench = bench_behind(Duration::from_secs(3600)).await;
    bench.hear_hello().await;
    let view = fixture::view(&[1]);
    bench.say(session_down::Message::View(view.into())).await;
    bench.views.wait_for(Option::is_some).await.unwrap();
    let told = bench.state.borrow().clock.clone();
    assert!(
        told.starts_with("the clock of this host is 1 h ahead of the manager's"),
        "{told}"
    );
    let now = crate::worker::now().0;
    let beat = pb::Beat {
        now,
        ..Default::default()
    };
    bench.say(session_down::Message::Beat(beat)).await;
    bench.state.wait_for(|state| state.clock.is_empty()).await.unwrap();
}

#[tokio::test]
async fn heartbeats_say_what_the_kernel_has() {
    let mut bench = bench().await;
    bench.hear_hello().await;
    bench.applied.send_replace(7);
    loop {
        match bench.heard.recv().await {
            Some(pb::session_up::Message::Heartbeat(beat)) if beat.applied_seq == 7 => return,
            Some(pb::session_up::Message::Heartbeat(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// What keeps the identity `old`, node 7's, fresh below `folder`, with a manager that signs by this authority.
async fn renewal(authority: Authority, old: &Identity, folder: &Path) -> (JoinHandle<()>, watch::Receiver<Identity>) {
    let authority = Arc::new(authority);
    let fake = Fake {
        authority: authority.clone(),
        heard: mpsc::channel(1).0,
        lines: Arc::default(),
        behind: Duration::ZERO,
        holds: watch::Sender::new(false),
    };
    let addr = serve_tls(&authority.identity(2, Role::Manager), DispatcherServer::new(fake)).await;
    let identity = watch::Sender::new(old.clone());
    let state = SessionState {
        manager: Some(addr),
        ..SessionState::default()
    };
    let renewed = identity.subscribe();
    let renewal = crate::identity::keep_fresh(
        identity,
        watch::channel(state).1,
        watch::channel(None).1,
        watch::channel(None).1,
        mpsc::channel(1).1,
        folder.to_owned(),
    );
    (renewal, renewed)
}

#[tokio::test]
async fn a_certificate_that_is_due_is_replaced_on_disk_and_in_use() {
    let authority = Authority::new();
    let old = authority.aged(7, Role::Worker);
    let folder = tempfile::tempdir().unwrap();
    let (renewal, mut renewed) = renewal(authority, &old, folder.path()).await;
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, renewed.changed())
        .await
        .unwrap()
        .unwrap();
    renewal.abort();
    let on_disk = Identity::load(folder.path()).unwrap().unwrap();
    assert_eq!(on_disk.certificate_pem, renewed.borrow().certificate_pem);
    assert_ne!(on_disk.key_pem, old.key_pem, "a new key each time");
}

#[tokio::test]
async fn a_certificate_of_a_manager_whose_clock_is_ahead_is_not_taken_while_there_is_a_good_one() {
    let mut authority = Authority::new();
    authority.signs = [2030, 2090];
    let old = authority.living(7, Role::Worker, [1950, 2040]);
    let folder = tempfile::tempdir().unwrap();
    old.save(folder.path(), None).unwrap();
    let (renewal, mut renewed) = renewal(authority, &old, folder.path()).await;
    let taken = tokio::time::timeout(Duration::from_secs(1), renewed.changed()).await;
    renewal.abort();
    assert!(taken.is_err());
    let on_disk = Identity::load(folder.path()).unwrap().unwrap();
    assert_eq!(on_disk.certificate_pem, old.certificate_pem);
}

#[tokio::test]
async fn a_node_whose_certificate_has_ended_says_so_and_what_helps() {
    let dead = "127.0.0.1:1";
    let said = async |own: Option<&str>, years| {
        let knows = |_: &str| Knows {
            own: own.and_then(|addr| addr.parse().ok()),
            years,
            ..Knows::only(manager(dead, false))
        };
        let mut bench = bench_with(knows).await;
        let failed = bench.state.wait_for(|state| !state.error.is_empty());
        let failed = tokio::time::timeout(Duration::from_secs(10), failed).await;
        failed.unwrap().unwrap().error.clone()
    };
    for (own, way_out) in [
        (None, "netctl swarm leave --force"),
        (Some(dead), "netd is started again"),
    ] {
        let ended = said(own, [1975, 2020]).await;
        let begins = "this node's certificate ended ";
        assert!(ended.starts_with(begins) && ended.contains(way_out), "{ended}");
    }
    let early = said(None, [4000, 4001]).await;
    assert!(early.contains("begins in") && early.contains("NTP"), "{early}");
    let valid = said(None, [1975, 4000]).await;
    assert!(!valid.contains("certificate"), "{valid}");
}

#[tokio::test]
async fn an_empty_list_of_managers_is_not_taken() {
    let mut bench = bench().await;
    bench.hear_hello().await;
    let list = |managers| session_down::Message::Managers(pb::Managers { managers });
    bench.say(list(vec![])).await;
    let leader = pb::ManagerAddr {
        node: String::new(),
        addr: "192.0.2.9:2377".to_owned(),
        leader: true,
        raft_id: 0,
    };
    bench.say(list(vec![leader])).await;
    bench.managers.changed().await.unwrap();
    assert_eq!(*bench.managers.borrow(), [manager("192.0.2.9:2377", true)]);
}
