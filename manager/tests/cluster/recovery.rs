//! What is left when the majority is gone for good: a survivor that goes on alone, a backup on another host.

use std::{fs, path::PathBuf, time::Duration};

use manager::{Backup, BackupError, InitParams, Manager, ManagerHandle, NodeCredentials, StartError, View};
use model::{NodeState, Role};
use seal::UnlockKey;
use wire::pb;

use crate::{
    group::{Group, Seat, until},
    node::{Member, bootstrap, config, join, network, operator, service},
};

/// All of a backup, as the CLI writes it to a file.
async fn backup(handle: &ManagerHandle) -> Vec<u8> {
    let parts = operator(handle).await.backup(pb::BackupRequest {}).await;
    let mut parts = parts.unwrap().into_inner();
    let mut file = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        file.extend(part.data);
    }
    file
}

fn managers(view: &View) -> Vec<(String, Option<u64>)> {
    let found = view.managers().map(|node| (node.id.to_string(), node.raft_id));
    found.collect()
}

#[tokio::test]
async fn a_survivor_goes_on_alone_and_those_that_come_back_all_the_same_are_workers() {
    let mut group = Group::of(3).await;
    let mut control = group.seats[2].control().await;
    control.create_network(network("blue")).await.unwrap();
    assert!(group.seats[2].with(ManagerHandle::has_majority).await.await.unwrap());
    group.seats[0].dies().await;
    group.seats[1].dies().await;
    assert!(!group.seats[2].with(ManagerHandle::has_majority).await.await.unwrap());
    group.seats[2].dies().await;

    let survivor = &mut group.seats[2];
    let before = Manager::start(survivor.config(), survivor.credentials.clone(), None)
        .await
        .unwrap();
    let raft_id = before.member();
    before.shutdown().await;
    let handle = Manager::force_new_cluster(survivor.config(), survivor.credentials.clone(), None).await;
    let handle = handle.unwrap();
    let view = handle.proposer().read().await.unwrap();
    assert!(
        view.network_named(&"blue".parse().unwrap()).is_some(),
        "nothing is lost"
    );
    assert_eq!(managers(&view), [(survivor.id(), Some(raft_id))]);
    let highest = view.highest_raft_id();
    assert!(view.nodes().count() == 3 && highest > 1003, "{highest}");
    operator(&handle).await.create_network(network("red")).await.unwrap();
    *survivor.handle.lock().await = Some(handle);
    let addr = survivor.addr;
    survivor.keeps_session(vec![addr]);

    for at in [0, 1] {
        let old = group.seats[at].addr;
        group.seats[at].returns(old, vec![addr]).await;
        let handle = group.seats[at].handle.clone();
        until("a former manager to step down", async || {
            handle.lock().await.is_none().then_some(())
        })
        .await;
    }
    group.wish(2, 0, pb::Role::Manager).await.unwrap();
    group.voters(2, 2).await;
    let view = group.seats[2].with(ManagerHandle::view).await;
    let back = view.node(group.seats[0].credentials.node).unwrap();
    assert_eq!(back.raft_id, Some(highest + 1), "no raft id is used twice");
    group.end().await;
}

/// The files beside a seat's log that are older logs.
fn kept_logs(seat: &Seat) -> Vec<PathBuf> {
    let files = fs::read_dir(seat.folder.path().join("raft")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains("raft.before-"))
        .collect()
}

#[tokio::test]
async fn a_majority_that_went_further_than_the_survivor_comes_back_and_steps_down() {
    let mut group = Group::of(3).await;
    let late = Seat::joins(&group.seats[0], Role::Worker).await;
    group.seats.push(late);
    let id = group.seats[3].credentials.node;
    until("the survivor knows the worker", async || {
        group.seats[2]
            .with(|handle| handle.view().node(id).map(|node| node.id))
            .await
    })
    .await;
    group.seats[2].dies().await;
    group.wish(0, 3, pb::Role::Manager).await.unwrap();
    group.voters(0, 4).await;
    let member = until("its manager", async || {
        group.seats[3].handle.lock().await.as_ref().map(ManagerHandle::member)
    })
    .await;
    assert_eq!(member, 4, "of which the survivor never hears");
    for at in [0, 1, 3] {
        group.seats[at].dies().await;
    }

    let survivor = &mut group.seats[2];
    let handle = Manager::force_new_cluster(survivor.config(), survivor.credentials.clone(), None).await;
    *survivor.handle.lock().await = Some(handle.unwrap());
    let addr = survivor.addr;
    survivor.keeps_session(vec![addr]);
    let kept = kept_logs(survivor);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(fs::metadata(&kept[0]).unwrap().len() > 0);

    for at in [0, 1, 3] {
        let old = group.seats[at].addr;
        group.seats[at].returns(old, vec![addr]).await;
    }
    for at in [0, 1, 3] {
        let handle = group.seats[at].handle.clone();
        until("a former manager to step down", async || {
            handle.lock().await.is_none().then_some(())
        })
        .await;
    }
    let view = group.seats[2].with(ManagerHandle::view).await;
    assert_eq!(managers(&view), [(group.seats[2].id(), Some(3))], "undisturbed");
    group.wish(2, 3, pb::Role::Manager).await.unwrap();
    group.voters(2, 2).await;
    group.end().await;
}

#[tokio::test]
async fn what_has_nothing_to_go_on_with_is_refused_and_left_as_it_is() {
    let first = Seat::first().await;
    let worker = Seat::joins(&first, Role::Worker).await;
    let empty = Manager::join(worker.config(), worker.credentials.clone(), 9)
        .await
        .unwrap();
    empty.shutdown().await;
    let refused = Manager::force_new_cluster(worker.config(), worker.credentials.clone(), None).await;
    assert!(matches!(refused, Err(StartError::NoState)), "{:?}", refused.err());
    let again = Manager::start(worker.config(), worker.credentials.clone(), None)
        .await
        .unwrap();
    assert_eq!(again.member(), 9);
    again.shutdown().await;

    let folder = tempfile::tempdir().unwrap();
    let (handle, _) = bootstrap(folder.path()).await;
    handle.shutdown().await;
    let mixed = Manager::force_new_cluster(config(folder.path()), first.credentials.clone(), None).await;
    assert!(
        matches!(mixed, Err(StartError::OtherCluster { .. })),
        "{:?}",
        mixed.err()
    );
}

async fn restored(file: &[u8], unlock: Option<&UnlockKey>) -> (tempfile::TempDir, ManagerHandle, NodeCredentials) {
    let folder = tempfile::tempdir().unwrap();
    let backup = Backup::open(file, unlock).unwrap();
    let started = Manager::restore(config(folder.path()), backup, InitParams::new()).await;
    let (handle, credentials) = started.unwrap();
    (folder, handle, credentials)
}

#[tokio::test]
async fn a_backup_brings_the_cluster_back_and_nodes_with_certificates_find_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let (handle, first) = bootstrap(folder.path()).await;
    let token = handle.join_token(Role::Worker).unwrap();
    let mut worker = join(handle.listen_addr(), &token).await.unwrap();
    let _session = worker.agent("w1").await;
    let mut control = operator(&handle).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 1)).await.unwrap();
    let file = backup(&handle).await;
    let before = handle.view();
    handle.shutdown().await;

    let (new, handle, credentials) = restored(&file, None).await;
    let view = handle.proposer().read().await.unwrap();
    let (old, now) = (before.cluster().unwrap(), view.cluster().unwrap());
    assert_eq!((old.id, &old.root_ca), (now.id, &now.root_ca));
    assert_eq!(handle.join_token(Role::Worker), Some(token.clone()));
    assert!(view.service_named(&"web".parse().unwrap()).is_some());
    // Ids of members that the backup does not know may have been used.
    let raft_id = handle.member();
    assert!(raft_id > 1001);
    assert_eq!(managers(&view), [(credentials.node.to_string(), Some(raft_id))]);
    assert!(
        view.applied() > before.applied() + 1_000_000,
        "far behind all that was told"
    );
    let lost = |view: &View| view.node(first.node).map(|node| node.status.state) == Some(NodeState::Down);
    until("the lost node is down", async || lost(&handle.view()).then_some(())).await;

    worker.manager = handle.listen_addr();
    let mut session = worker.agent("w1").await;
    session.view(|view| view.seq > before.applied()).await;
    let id = worker.id.parse().unwrap();
    let ready = || handle.view().node(id).map(|node| node.status.state) == Some(NodeState::Ready);
    until("the worker is ready", async || ready().then_some(())).await;
    join(handle.listen_addr(), &token).await.unwrap();
    let stranger = Member::first(&first, handle.listen_addr()).agent("n1").await;
    drop(stranger);
    handle.shutdown().await;

    let again = Manager::start(config(new.path()), credentials, None).await.unwrap();
    assert_eq!(again.view().networks().count(), before.networks().count());
    let applied = again.view().applied();
    again.shutdown().await;
    let (_elsewhere, second, _) = restored(&file, None).await;
    assert!(second.member() > raft_id, "no raft id is used again");
    assert!(second.view().applied() > applied, "nor any index");
    second.shutdown().await;
    let twice = Manager::restore(
        config(new.path()),
        Backup::open(&file, None).unwrap(),
        InitParams::new(),
    )
    .await;
    assert!(twice.err().unwrap().to_string().contains("is there already"));
}

#[tokio::test]
async fn a_backup_of_a_locked_swarm_opens_with_its_key_and_stays_locked() {
    let folder = tempfile::tempdir().unwrap();
    let mut init = InitParams::new();
    init.settings.autolock = true;
    let (handle, _) = Manager::bootstrap(config(folder.path()), init).await.unwrap();
    let unlock = handle.unlock_key().borrow().clone().unwrap();
    let file = backup(&handle).await;
    handle.shutdown().await;
    assert!(matches!(Backup::open(&file, None), Err(BackupError::Sealed)));
    let (new, handle, credentials) = restored(&file, Some(&unlock)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    handle.shutdown().await;
    assert!(
        Manager::start(config(new.path()), credentials.clone(), None)
            .await
            .is_err()
    );
    let unlocked = Manager::start(config(new.path()), credentials, Some(unlock))
        .await
        .unwrap();
    unlocked.shutdown().await;
}
