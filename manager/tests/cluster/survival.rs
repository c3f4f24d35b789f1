//! What a manager that comes back still knows.

use std::sync::Arc;

use manager::{Manager, Proposer};
use model::{RequestId, Role};
use store::Command;
use wire::pb;

use crate::node::{Member, bootstrap, config, join, network, operator, service};

#[tokio::test]
async fn a_restarted_manager_has_its_state_and_its_nodes_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, credentials) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let mut agent = member.agent("n2").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 3)).await.unwrap();
    let before = agent.view(|view| view.tasks.len() == 3).await;
    drop(control);
    manager.shutdown().await;

    let manager = Manager::start(config(folder.path()), credentials.clone(), None)
        .await
        .unwrap();
    let mut control = operator(&manager).await;
    let services = control.list_services(pb::ListServicesRequest::default()).await.unwrap();
    assert_eq!(services.into_inner().services.len(), 1);
    assert_eq!(manager.join_token(Role::Worker), Some(token));
    let moved = Member {
        manager: manager.listen_addr(),
        ..member
    };
    let mut agent = moved.agent("n2").await;
    let after = agent.view(|_| true).await;
    assert_eq!(after.tasks.len(), 3);
    assert!(after.seq > before.seq, "a view of the new term is newer");
    let own = manager.view().node(credentials.node).and_then(|node| node.manager_addr);
    assert_eq!(own, Some(manager.advertise_addr()), "the new address is announced");
    manager.shutdown().await;
}

fn move_cursor(version: u64) -> Command {
    Command::UpdateTokens {
        version,
        worker: format!("worker {version}").into(),
        manager: format!("manager {version}").into(),
    }
}

async fn version(proposer: &Proposer) -> u64 {
    proposer.read().await.unwrap().cluster().unwrap().version
}

#[tokio::test]
async fn a_command_repeated_with_the_same_id_is_applied_once_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, credentials) = bootstrap(folder.path()).await;
    let read = version(manager.proposer()).await;
    let id = RequestId::from_bits(4711);
    manager.proposer().propose_as(id, move_cursor(read)).await.unwrap();
    let once = version(manager.proposer()).await;
    assert!(once > read);
    // Compare-and-set would refuse it, if it were not known.
    manager.proposer().propose_as(id, move_cursor(read)).await.unwrap();
    manager.shutdown().await;
    let manager = Manager::start(config(folder.path()), credentials, None).await.unwrap();
    manager.proposer().propose_as(id, move_cursor(read)).await.unwrap();
    assert_eq!(version(manager.proposer()).await, once);
    manager.shutdown().await;
}

#[tokio::test]
async fn many_proposals_at_once_share_writes_and_all_get_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let manager = Arc::new(manager);
    let proposals = (0..500u64).map(|n| {
        let manager = manager.clone();
        tokio::spawn(async move {
            let network = format!("n{n}").parse().unwrap();
            let spec = model::NetworkSpec::named(network);
            let new = store::NewNetwork {
                id: model::NetworkId::from_bits(u128::from(n) + 1),
                at: model::Timestamp(1),
                spec,
                vni: (5000 + n as u32).try_into().unwrap(),
                subnet: format!("10.{}.{}.0/24", 100 + n / 256, n % 256).parse().unwrap(),
                gateway: format!("10.{}.{}.1", 100 + n / 256, n % 256).parse().unwrap(),
            };
            manager
                .proposer()
                .propose(Command::CreateNetwork(Box::new(new)))
                .await
                .map(|_| ())
        })
    });
    let answers = futures::future::join_all(proposals).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Ok(())))), "{answers:?}");
    assert_eq!(manager.view().networks().count(), 501);
    Arc::into_inner(manager).unwrap().shutdown().await;
}
