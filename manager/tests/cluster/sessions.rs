//! What sessions cost and repair: changes instead of whole views, checksums, answers to heartbeats, moved nodes.

use manager::ManagerHandle;
use model::{NodeView, Role, ViewDelta};
use wire::pb::{self, dispatcher_client::DispatcherClient, session_down, session_up};

use crate::node::{Agent, Member, bootstrap, description, join, network, operator, service};

/// A node that follows its view as agents do.
struct Follower {
    agent: Agent,
    view: Option<NodeView>,
    /// Messages with a whole view, and with changes.
    whole: usize,
    changes: usize,
}

impl Follower {
    /// A session that goes on from `view`.
    async fn open(member: &Member, hostname: &str, view: Option<NodeView>) -> Self {
        let hello = pb::Hello {
            format: 2,
            description: Some(description(hostname)),
            seq: view.as_ref().map_or(0, |view| view.seq),
            checksum: view.as_ref().map_or(0, NodeView::checksum),
            ..pb::Hello::default()
        };
        let agent = member.session(hello).await;
        Self {
            agent,
            view,
            whole: 0,
            changes: 0,
        }
    }

    /// Takes messages until the view fits.
    async fn until(&mut self, fits: impl Fn(&NodeView) -> bool) -> NodeView {
        loop {
            match self.agent.next().await.unwrap() {
                session_down::Message::View(view) => {
                    self.view = Some(view.try_into().unwrap());
                    self.whole += 1;
                }
                session_down::Message::Delta(delta) => {
                    let delta: ViewDelta = delta.try_into().unwrap();
                    let old = self.view.take().expect("changes of something");
                    self.view = Some(old.apply(&delta).unwrap());
                    self.changes += 1;
                }
                _ => continue,
            }
            if let Some(view) = self.view.as_ref().filter(|view| fits(view)) {
                return view.clone();
            }
        }
    }

    async fn beat(&self, checksum: u64) {
        let beat = pb::Heartbeat {
            applied_seq: 0,
            seq: self.view.as_ref().map_or(0, |view| view.seq),
            checksum,
        };
        self.say(session_up::Message::Heartbeat(beat)).await;
    }

    async fn say(&self, message: session_up::Message) {
        let up = pb::SessionUp { message: Some(message) };
        self.agent.up.send(up).await.unwrap();
    }
}

async fn member(manager: &ManagerHandle) -> Member {
    let token = manager.join_token(Role::Worker).unwrap();
    join(manager.listen_addr(), &token).await.unwrap()
}

#[tokio::test]
async fn a_node_hears_what_changed_and_goes_on_where_it_left_off() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let member = member(&manager).await;
    let mut node = Follower::open(&member, "n2", None).await;
    node.until(|view| view.peers.len() == 1).await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 2)).await.unwrap();
    let view = node.until(|view| view.tasks.len() == 2).await;
    assert_eq!((node.whole, node.changes >= 1), (1, true));
    drop(node);
    // The same view: nothing is repeated.
    let mut node = Follower::open(&member, "n2", Some(view.clone())).await;
    let same = node.until(|_| true).await;
    assert_eq!((node.whole, same.tasks.len(), same.checksum()), (0, 2, view.checksum()));
    drop(node);
    // An older one: what it missed.
    control.create_service(service("db", 1)).await.unwrap();
    let mut node = Follower::open(&member, "n2", Some(view)).await;
    node.until(|view| view.tasks.len() == 3).await;
    assert_eq!(node.whole, 0);
    manager.shutdown().await;
}

#[tokio::test]
async fn what_drifted_is_repaired_and_heartbeats_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let member = member(&manager).await;
    let mut node = Follower::open(&member, "n2", None).await;
    let view = node.until(|view| view.peers.len() == 1).await;
    node.beat(view.checksum()).await;
    loop {
        match node.agent.next().await.unwrap() {
            session_down::Message::Beat(_) => break,
            session_down::Message::View(_) => panic!("nothing has drifted"),
            _ => {}
        }
    }
    node.beat(view.checksum() ^ 1).await;
    let again = node.until(|_| true).await;
    assert_eq!((node.whole, again.checksum()), (2, view.checksum()));
    let reason = "told by the test".to_owned();
    node.say(session_up::Message::Resync(pb::Resync { reason })).await;
    node.until(|_| true).await;
    assert_eq!(node.whole, 3);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_node_that_comes_back_elsewhere_is_found_there_by_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (mover, other) = (member(&manager).await, member(&manager).await);
    let mut watching = Follower::open(&other, "other", None).await;
    let first = Follower::open(&mover, "mover", None).await;
    let at = |addr: &'static str| {
        let id = mover.id.clone();
        move |view: &NodeView| {
            let mut peers = view.peers.iter();
            peers.any(|peer| peer.node.to_string() == id && peer.vtep.to_string() == addr)
        }
    };
    watching.until(at("127.0.0.2")).await;
    drop(first);
    let mut moved = description("mover");
    moved.vtep = "127.0.0.9".to_owned();
    let _second = mover
        .session(pb::Hello {
            format: 2,
            description: Some(moved),
            ..pb::Hello::default()
        })
        .await;
    watching.until(at("127.0.0.9")).await;
    assert_eq!(watching.whole, 1, "the others hear of one changed row");
    manager.shutdown().await;
}

#[tokio::test]
async fn a_node_that_says_too_much_is_refused_and_nothing_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let member = member(&manager).await;
    let mut talker = description("n2");
    let holder = "x".repeat(100);
    let held = pb::HeldPort {
        port: 1,
        protocol: pb::Protocol::Udp.into(),
        holder,
    };
    for count in [20_000, 200_000] {
        talker.held_ports = vec![held.clone(); count];
        let hello = pb::Hello {
            format: 2,
            description: Some(talker.clone()),
            ..pb::Hello::default()
        };
        let end = match member.try_session(hello).await {
            Ok(mut session) => session.end().await,
            Err(why) => why,
        };
        assert!(
            end.message().contains("at most") || end.code() == tonic::Code::OutOfRange,
            "{end:?}"
        );
    }
    let mut dispatcher = DispatcherClient::new(member.channel().await);
    let confirm = pb::ConfirmTrustRequest {
        certificate_pem: member.certificate.clone(),
        roots: vec!["ab".repeat(32); 100],
    };
    let refused = dispatcher.confirm_trust(confirm).await.unwrap_err();
    assert!(refused.message().contains("at most 8 roots"), "{refused}");
    let view = manager.proposer().read().await.unwrap();
    assert!(view.nodes().all(|node| node.description.is_none()));
    manager.shutdown().await;
}
