//! A session of a lone manager whose disk may hang.

use std::{collections::BTreeMap, sync::Arc};

use control::plan_init;
use model::NetworkId;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::{
    config::{InitParams, ManagerConfig},
    founding::{FIRST_MEMBER, found_cluster, manager_node},
    raft::{
        Driver, MemoryDisk, Replica,
        fixture::{Hangs, Hold, Nowhere},
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster of one node that has not described itself yet.
struct Bench {
    node: NodeId,
    proposer: Proposer,
    hold: Arc<Hold>,
    stop: watch::Sender<bool>,
}

impl Bench {
    async fn begin() -> Self {
        let hold = Arc::<Hold>::default();
        let disk = Hangs {
            disk: MemoryDisk::of(Replica::<MemoryDisk>::first_member(FIRST_MEMBER).unwrap()),
            hold: hold.clone(),
        };
        let mut replica = Replica::start(disk).unwrap();
        replica.advance().unwrap();
        let proposer = Proposer::new(Driver::start(replica, Nowhere));
        let init = InitParams::new();
        let (cluster, credentials) = found_cluster(&init).unwrap();
        let config = ManagerConfig {
            data_root: "/nowhere".into(),
            listen_addr: ([192, 0, 2, 1], 2377).into(),
            advertise_addr: ([192, 0, 2, 1], 2377).into(),
            hints: peer::Hints::default(),
        };
        let node = manager_node(&config, &init, cluster.created_at, (credentials.node, FIRST_MEMBER));
        let first = plan_init(&proposer.view(), cluster, node, NetworkId::from_bits(1)).unwrap();
        proposer.propose(first).await.unwrap();
        Self {
            node: credentials.node,
            proposer,
            hold,
            stop: watch::Sender::new(false),
        }
    }

    fn describer(&self, term: u64) -> Describer {
        Describer {
            node: self.node,
            from: [192, 0, 2, 1].into(),
            control: None,
            proposer: self.proposer.clone(),
            term,
        }
    }

    /// A session: what the node says goes in, what it is told comes out.
    fn session(&self) -> (mpsc::Sender<Result<pb::SessionUp, Status>>, mpsc::Receiver<Down>) {
        let (down, told) = mpsc::channel(64);
        let (up, said) = mpsc::channel(64);
        let stopping = self.stop.subscribe();
        let session = Session {
            node: self.node,
            number: mint::session(),
            from: [192, 0, 2, 1].into(),
            proposer: self.proposer.clone(),
            intake: Intake::start(self.proposer.clone()),
            presence: Presence::start(self.proposer.clone(), stopping.clone()),
            board: SharedBoard::start(&self.proposer),
            probes: Probes::new(),
            desk: Desk::default(),
            stopping,
            down,
        };
        tokio::spawn(session.run(ReceiverStream::new(said)));
        (up, told)
    }

    /// The host name that the node is known by, once `done` says that it is.
    async fn hostname(&self, done: impl Fn(&str) -> bool) -> String {
        let mut published = self.proposer.published();
        let known = |view: &store::View| view.node(self.node).map(model::Node::hostname).unwrap_or_default();
        let is_known = published.wait_for(|published| done(&known(&published.view)));
        let published = timeout(PATIENCE, is_known).await.unwrap().unwrap();
        known(&published.view)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.hold.set(false);
        self.proposer.driver().stop();
    }
}

fn described(hostname: &str) -> NodeDescription {
    NodeDescription {
        hostname: hostname.to_owned(),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        engine_version: "29".to_owned(),
        engine_labels: BTreeMap::new(),
        nano_cpus: 1,
        memory_bytes: 1,
        vtep: [192, 0, 2, 1].into(),
        underlay_mtu: 1500,
        taken_prefixes: Vec::new(),
        held_ports: Vec::new(),
        engine_error: String::new(),
        generic_resources: Vec::new(),
        plugins: Vec::new(),
    }
}

fn says(message: session_up::Message) -> Result<pb::SessionUp, Status> {
    Ok(pb::SessionUp { message: Some(message) })
}

fn hello_of(hostname: &str) -> Result<pb::SessionUp, Status> {
    says(session_up::Message::Hello(pb::Hello {
        format: hello::FORMAT,
        description: Some(described(hostname).into()),
        addr: "192.0.2.1:2377".to_owned(),
        ..Default::default()
    }))
}

/// Beats until the manager answers, or says what else `until` waits for.
async fn beat(
    up: &mpsc::Sender<Result<pb::SessionUp, Status>>,
    told: &mut mpsc::Receiver<Down>,
    until: impl Fn(&session_down::Message) -> bool,
) {
    let beating = async {
        loop {
            let beat = says(session_up::Message::Heartbeat(pb::Heartbeat::default()));
            up.send(beat).await.unwrap();
            let next = timeout(Duration::from_millis(100), told.recv()).await;
            let message = next.ok().flatten().and_then(|down| down.unwrap().message);
            if message.is_some_and(|message| until(&message)) {
                return;
            }
        }
    };
    timeout(PATIENCE, beating).await.expect("the manager says it");
}

#[tokio::test]
async fn a_node_is_heard_while_what_it_says_of_itself_waits_for_the_disk() {
    let bench = Bench::begin().await;
    bench.hold.set(true);
    let (up, mut told) = bench.session();
    up.send(hello_of("one")).await.unwrap();
    let is_beat = |message: &session_down::Message| matches!(message, session_down::Message::Beat(_));
    beat(&up, &mut told, is_beat).await;
    for hostname in ["two", "three"] {
        let description = described(hostname).into();
        up.send(says(session_up::Message::Description(description)))
            .await
            .unwrap();
    }
    beat(&up, &mut told, is_beat).await;
    bench.hold.set(false);
    bench.hostname(|name| name == "three").await;
    let is_view = |message: &session_down::Message| matches!(message, session_down::Message::View(_));
    beat(&up, &mut told, is_view).await;
}

#[tokio::test]
async fn what_a_node_said_to_the_leader_of_another_term_is_not_taken() {
    let bench = Bench::begin().await;
    let term = bench.proposer.published().borrow().standing.term;
    let describe = async |term, hostname| {
        let (said, news) = watch::channel(described(hostname));
        drop(said);
        bench.describer(term).carry(news).await
    };
    describe(term, "new").await.unwrap();
    describe(term - 1, "old").await.unwrap_err();
    assert_eq!(bench.hostname(|_| true).await, "new");
}
