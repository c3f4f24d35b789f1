//! A manager that the test plays, and a session with it.

use super::*;

pub(super) fn manager(addr: &str, leader: bool) -> Manager {
    Manager {
        leader,
        ..Manager::at(addr.to_owned())
    }
}

pub(super) type DownSender = mpsc::Sender<Result<pb::SessionDown, Status>>;

/// A manager: what it hears goes to the test, which also says what it sends.
pub(super) struct Fake {
    pub(super) authority: Arc<Authority>,
    pub(super) heard: mpsc::Sender<pb::session_up::Message>,
    pub(super) lines: Arc<Mutex<Vec<DownSender>>>,
    /// How far its clock is behind the node's.
    pub(super) behind: Duration,
    /// It has heard a hello, and does not answer yet.
    pub(super) holds: watch::Sender<bool>,
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
        let answers = self.holds.subscribe().wait_for(|holds| !holds).await.map(drop);
        answers.map_err(|_| Status::internal("closed"))?;
        let (line, stream) = mpsc::channel(16);
        let welcome = session_down::Message::Welcome(pb::Welcome {
            session: "s".to_owned(),
            heartbeat_ms: 50,
            now: now().0 - self.behind.as_nanos() as i64,
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

    async fn publish_logs(
        &self,
        _request: Request<Streaming<pb::LogBatch>>,
    ) -> Result<Response<pb::PublishLogsResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn leave(
        &self,
        _request: Request<pb::LeaveClusterRequest>,
    ) -> Result<Response<pb::LeaveClusterResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

pub(super) fn down(message: session_down::Message) -> pb::SessionDown {
    pb::SessionDown { message: Some(message) }
}

/// A session with a fake manager, and the test's ends of its channels.
pub(super) struct Bench {
    pub(super) heard: mpsc::Receiver<pb::session_up::Message>,
    pub(super) lines: Arc<Mutex<Vec<DownSender>>>,
    pub(super) statuses: watch::Sender<Statuses>,
    pub(super) applied: watch::Sender<u64>,
    pub(super) views: watch::Receiver<Option<CurrentView>>,
    pub(super) managers: watch::Receiver<Vec<Manager>>,
    pub(super) state: watch::Receiver<SessionState>,
    pub(super) released: watch::Receiver<BTreeSet<TaskId>>,
    pub(super) kept: watch::Sender<BTreeSet<TaskId>>,
    pub(super) forgotten: watch::Receiver<BTreeSet<TaskId>>,
    pub(super) description: watch::Sender<Option<NodeDescription>>,
    pub(super) holds: watch::Sender<bool>,
    pub(super) session: JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.session.abort();
    }
}

pub(super) async fn bench() -> Bench {
    bench_with(|addr| Knows::only(manager(addr, false))).await
}

/// A session with a manager whose clock is this much behind.
pub(super) async fn bench_behind(behind: Duration) -> Bench {
    begin(behind, |addr| Knows::only(manager(addr, false))).await
}

/// Where a node may ask.
pub(super) struct Knows {
    pub(super) managers: Vec<Manager>,
    pub(super) hints: Hints,
    /// Its own manager, if it has one.
    pub(super) own: Option<SocketAddr>,
    /// The years of its certificate.
    pub(super) years: [i32; 2],
}

impl Knows {
    pub(super) fn only(manager: Manager) -> Self {
        Self {
            managers: vec![manager],
            hints: Hints::default(),
            own: None,
            years: [1975, 4096],
        }
    }
}

/// The session of a node that knows this when the fake manager is at that address.
pub(super) async fn bench_with(knows: impl FnOnce(&str) -> Knows) -> Bench {
    begin(Duration::ZERO, knows).await
}

async fn begin(behind: Duration, knows: impl FnOnce(&str) -> Knows) -> Bench {
    let authority = Arc::new(Authority::new());
    let (hears, heard) = mpsc::channel(64);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let holds = watch::Sender::new(false);
    let fake = Fake {
        authority: authority.clone(),
        heard: hears,
        lines: lines.clone(),
        behind,
        holds: holds.clone(),
    };
    let addr = serve_tls(&authority.identity(2, Role::Manager), DispatcherServer::new(fake)).await;
    let (description, described) = watch::channel(Some(description()));
    let (statuses, reported) = watch::channel(Statuses::new());
    let (applied, have) = watch::channel(0);
    let (views, seen) = watch::channel(None);
    let Knows {
        managers,
        hints,
        own,
        years,
    } = knows(&addr);
    let role = own.map_or(Role::Worker, |_| Role::Manager);
    let (managers, known) = watch::channel(managers);
    let (state, going) = watch::channel(SessionState::default());
    let (released, free) = watch::channel(BTreeSet::new());
    let (kept, keeps) = watch::channel(BTreeSet::new());
    let (forgotten, gone) = watch::channel(BTreeSet::new());
    let ports = Ports {
        addr: own.unwrap_or("192.0.2.1:2377".parse().unwrap()),
        hints,
        calling: watch::Sender::default(),
        identity: watch::channel(authority.living(1, role, years)).1,
        engine: Arc::new(FakeRuntime::default()),
        trust: watch::Sender::default(),
        description: described,
        statuses: reported,
        applied: have,
        views,
        released,
        kept: keeps,
        forgotten,
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
        released: free,
        kept,
        forgotten: gone,
        description,
        holds,
        session: spawn(ports),
    }
}

pub(super) fn description() -> NodeDescription {
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
        generic_resources: Vec::new(),
        plugins: Vec::new(),
    }
}

pub(super) fn status(state: TaskState) -> TaskStatus {
    TaskStatus::of(state, Timestamp(1))
}

impl Bench {
    /// The next thing heard that is no heartbeat.
    pub(super) async fn hear(&mut self) -> pb::session_up::Message {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.heard.recv()).await;
            match next.expect("the session says something").expect("the manager lives") {
                pb::session_up::Message::Heartbeat(_) => {}
                other => return other,
            }
        }
    }

    pub(super) async fn hear_hello(&mut self) -> pb::Hello {
        let pb::session_up::Message::Hello(hello) = self.hear().await else {
            panic!("a session begins with a hello");
        };
        assert_eq!(hello.format, FORMAT);
        assert_eq!(hello.description.as_ref().unwrap().hostname, "n1");
        hello
    }

    pub(super) async fn hear_kept(&mut self) -> Vec<String> {
        let pb::session_up::Message::Kept(kept) = self.hear().await else {
            panic!("no ended containers are told");
        };
        kept.tasks
    }

    pub(super) async fn hear_reports(&mut self) -> Vec<(String, i32)> {
        let pb::session_up::Message::Statuses(batch) = self.hear().await else {
            panic!("no statuses");
        };
        let report = |r: pb::TaskReport| (r.task, r.status.unwrap().state);
        batch.reports.into_iter().map(report).collect()
    }

    pub(super) async fn say(&self, message: session_down::Message) {
        let line = self.lines.lock().unwrap().last().unwrap().clone();
        line.send(Ok(down(message))).await.unwrap();
    }

    /// Ends the open session from the manager's side.
    pub(super) fn hang_up(&self) {
        self.lines.lock().unwrap().clear();
    }
}
