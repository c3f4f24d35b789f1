//! Sessions with a manager that the test plays, over real TLS.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use model::{Role, TaskId, TaskState, TaskStatus, Timestamp, ViewDelta};
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status};
use wire::pb::{
    dispatcher_server::{Dispatcher, DispatcherServer},
    session_down,
};

use super::*;
use crate::{
    identity::fixture::{Authority, serve_tls},
    worker::fixture,
};

fn manager(addr: &str, leader: bool) -> Manager {
    Manager {
        leader,
        ..Manager::at(addr.to_owned())
    }
}

type DownSender = mpsc::Sender<Result<pb::SessionDown, Status>>;

/// A manager: what it hears goes to the test, which also says what it sends.
struct Fake {
    authority: Arc<Authority>,
    heard: mpsc::Sender<pb::session_up::Message>,
    lines: Arc<Mutex<Vec<DownSender>>>,
}

#[tonic::async_trait]
impl Dispatcher for Fake {
    type SessionStream = ReceiverStream<Result<pb::SessionDown, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::SessionUp>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut up = request.into_inner();
        let heard = self.heard.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = up.next().await {
                let Some(message) = message.message else { continue };
                if heard.send(message).await.is_err() {
                    return;
                }
            }
        });
        let (line, stream) = mpsc::channel(16);
        let welcome = session_down::Message::Welcome(pb::Welcome {
            session: "s".to_owned(),
            heartbeat_ms: 50,
        });
        line.send(Ok(down(welcome)))
            .await
            .map_err(|_| Status::internal("closed"))?;
        self.lines.lock().unwrap().push(line);
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn renew_certificate(
        &self,
        request: Request<pb::RenewCertificateRequest>,
    ) -> Result<Response<pb::IssueCertificateResponse>, Status> {
        Ok(Response::new(pb::IssueCertificateResponse {
            certificate_pem: self.authority.sign(&request.into_inner().csr_pem),
            ..Default::default()
        }))
    }

    async fn confirm_trust(
        &self,
        _request: Request<pb::ConfirmTrustRequest>,
    ) -> Result<Response<pb::ConfirmTrustResponse>, Status> {
        Ok(Response::new(pb::ConfirmTrustResponse {}))
    }

    async fn leave(
        &self,
        _request: Request<pb::LeaveClusterRequest>,
    ) -> Result<Response<pb::LeaveClusterResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

fn down(message: session_down::Message) -> pb::SessionDown {
    pb::SessionDown { message: Some(message) }
}

/// A session with a fake manager, and the test's ends of its channels.
struct Bench {
    heard: mpsc::Receiver<pb::session_up::Message>,
    lines: Arc<Mutex<Vec<DownSender>>>,
    statuses: watch::Sender<Statuses>,
    applied: watch::Sender<u64>,
    views: watch::Receiver<Option<CurrentView>>,
    managers: watch::Receiver<Vec<Manager>>,
    state: watch::Receiver<SessionState>,
    _description: watch::Sender<Option<NodeDescription>>,
    session: JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.session.abort();
    }
}

async fn bench() -> Bench {
    let authority = Arc::new(Authority::new());
    let (hears, heard) = mpsc::channel(64);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let fake = Fake {
        authority: authority.clone(),
        heard: hears,
        lines: lines.clone(),
    };
    let addr = serve_tls(&authority.identity(2, Role::Manager), DispatcherServer::new(fake)).await;
    let (description, described) = watch::channel(Some(description()));
    let (statuses, reported) = watch::channel(Statuses::new());
    let (applied, have) = watch::channel(0);
    let (views, seen) = watch::channel(None);
    let (managers, known) = watch::channel(vec![manager(&addr, false)]);
    let (state, going) = watch::channel(SessionState::default());
    let ports = Ports {
        addr: "192.0.2.1:2377".parse().unwrap(),
        calling: watch::Sender::default(),
        identity: watch::channel(authority.identity(1, Role::Worker)).1,
        trust: watch::Sender::default(),
        description: described,
        statuses: reported,
        applied: have,
        views,
        managers,
        state,
    };
    Bench {
        heard,
        lines,
        statuses,
        applied,
        views: seen,
        managers: known,
        state: going,
        _description: description,
        session: spawn(ports),
    }
}

fn description() -> NodeDescription {
    NodeDescription {
        hostname: "n1".to_owned(),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        engine_version: "20.10.24".to_owned(),
        engine_labels: BTreeMap::new(),
        nano_cpus: 1,
        memory_bytes: 1,
        vtep: "192.0.2.1".parse().unwrap(),
        underlay_mtu: 1500,
        taken_prefixes: vec![],
        held_ports: vec![],
        engine_error: String::new(),
    }
}

fn status(state: TaskState) -> TaskStatus {
    TaskStatus {
        state,
        at: Timestamp(1),
        message: String::new(),
        err: String::new(),
        container: None,
        exit_code: None,
        engine_restarted: false,
    }
}

impl Bench {
    /// The next thing heard that is no heartbeat.
    async fn hear(&mut self) -> pb::session_up::Message {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.heard.recv()).await;
            match next.expect("the session says something").expect("the manager lives") {
                pb::session_up::Message::Heartbeat(_) => {}
                other => return other,
            }
        }
    }

    async fn hear_hello(&mut self) -> pb::Hello {
        let pb::session_up::Message::Hello(hello) = self.hear().await else {
            panic!("a session begins with a hello");
        };
        assert_eq!(hello.format, FORMAT);
        assert_eq!(hello.description.as_ref().unwrap().hostname, "n1");
        hello
    }

    async fn hear_reports(&mut self) -> Vec<(String, i32)> {
        let pb::session_up::Message::Statuses(batch) = self.hear().await else {
            panic!("no statuses");
        };
        let report = |r: pb::TaskReport| (r.task, r.status.unwrap().state);
        batch.reports.into_iter().map(report).collect()
    }

    async fn say(&self, message: session_down::Message) {
        let line = self.lines.lock().unwrap().last().unwrap().clone();
        line.send(Ok(down(message))).await.unwrap();
    }

    /// Ends the open session from the manager's side.
    fn hang_up(&self) {
        self.lines.lock().unwrap().clear();
    }
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

#[tokio::test]
async fn a_certificate_that_is_due_is_replaced_on_disk_and_in_use() {
    let authority = Arc::new(Authority::new());
    let fake = Fake {
        authority: authority.clone(),
        heard: mpsc::channel(1).0,
        lines: Arc::default(),
    };
    let addr = serve_tls(&authority.identity(2, Role::Manager), DispatcherServer::new(fake)).await;
    let old = authority.aged(7, Role::Worker);
    let folder = tempfile::tempdir().unwrap();
    let identity = watch::Sender::new(old.clone());
    let state = SessionState {
        manager: Some(addr),
        ..SessionState::default()
    };
    let mut renewed = identity.subscribe();
    let renewal = crate::identity::keep_fresh(
        identity,
        watch::channel(state).1,
        watch::channel(None).1,
        watch::channel(None).1,
        folder.path().to_owned(),
    );
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
