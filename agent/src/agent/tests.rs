//! A whole agent over a fake engine and a fake network, from its start to its end.

use std::{sync::Arc, time::Duration};

use model::{Role, TaskId};
use plan::container::ContainerState;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::pb::{
    self,
    dispatcher_server::{Dispatcher, DispatcherServer},
};

use super::*;
use crate::{
    identity::fixture::{Authority, serve_tls},
    network::fake::FakeNetwork,
    runtime::fake::FakeRuntime,
};

fn config(folder: &std::path::Path) -> AgentConfig {
    AgentConfig {
        data_root: folder.to_owned(),
        run_dir: folder.join("run"),
        docker_host: "unix:///nowhere".to_owned(),
        bpffs: folder.join("bpf"),
        cgroup: None,
        identity: Authority::new().identity(1, Role::Worker),
        managers: vec!["127.0.0.1:1".to_owned(), "127.0.0.1:1".to_owned()],
        hints: Hints::default(),
        addr: "192.0.2.1:2377".parse().unwrap(),
        vtep: "192.0.2.1".parse().unwrap(),
        generic_resources: Vec::new(),
    }
}

#[tokio::test]
async fn shutdown_leaves_everything_and_leave_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, network) = (Arc::new(FakeRuntime::default()), Arc::new(FakeNetwork::default()));
    runtime.place(TaskId::from_bits(1), ContainerState::Running);
    let start = || Agent::start_with(config(folder.path()), runtime.clone(), network.clone());

    start().await.unwrap().shutdown().await;
    assert_eq!(runtime.containers().len(), 1);
    assert!(!network.detached());

    let agent = start().await.unwrap();
    agent.leave().await.unwrap();
    assert!(runtime.containers().is_empty() && network.detached());
    assert!(!folder.path().join("agent").exists());
}

#[tokio::test]
async fn without_managers_the_status_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, network) = (Arc::new(FakeRuntime::default()), Arc::new(FakeNetwork::default()));
    // A session waits for no engine.
    runtime.hang(true);
    let agent = Agent::start_with(config(folder.path()), runtime, network)
        .await
        .unwrap();
    for _ in 0..100 {
        let status = agent.status();
        assert_eq!(status.managers.len(), 1, "named twice, known once");
        if status.session.error.contains("127.0.0.1:1") {
            agent.shutdown().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", agent.status());
}

/// A manager that counts the sessions which are open, and says whether none was when the node left.
struct Counting {
    open: watch::Sender<u32>,
    left: mpsc::Sender<bool>,
}

#[tonic::async_trait]
impl Dispatcher for Counting {
    type SessionStream = ReceiverStream<Result<pb::SessionDown, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::SessionUp>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut up = request.into_inner();
        let open = self.open.clone();
        open.send_modify(|open| *open += 1);
        let (line, stream) = mpsc::channel(4);
        let welcome = pb::Welcome {
            heartbeat_ms: 50,
            ..Default::default()
        };
        let message = Some(pb::session_down::Message::Welcome(welcome));
        let sent = line.send(Ok(pb::SessionDown { message })).await;
        sent.map_err(|_| Status::internal("closed"))?;
        tokio::spawn(async move {
            while let Ok(Some(_)) = up.message().await {}
            drop(line);
            open.send_modify(|open| *open -= 1);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn leave(
        &self,
        _request: Request<pb::LeaveClusterRequest>,
    ) -> Result<Response<pb::LeaveClusterResponse>, Status> {
        let mut open = self.open.subscribe();
        let ended = open.wait_for(|open| *open == 0);
        let ended = tokio::time::timeout(Duration::from_secs(2), ended).await.is_ok();
        let told = self.left.send(ended).await;
        told.map_err(|_| Status::internal("closed"))?;
        Ok(Response::new(pb::LeaveClusterResponse {}))
    }

    async fn renew_certificate(
        &self,
        _request: Request<pb::RenewCertificateRequest>,
    ) -> Result<Response<pb::IssueCertificateResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn confirm_trust(
        &self,
        _request: Request<pb::ConfirmTrustRequest>,
    ) -> Result<Response<pb::ConfirmTrustResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn publish_logs(
        &self,
        _request: Request<Streaming<pb::LogBatch>>,
    ) -> Result<Response<pb::PublishLogsResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

#[tokio::test]
async fn a_node_that_leaves_has_ended_its_session_before_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let open = watch::Sender::new(0);
    let (left, mut farewells) = mpsc::channel(1);
    let manager = Counting {
        open: open.clone(),
        left,
    };
    let addr = serve_tls(&authority.identity(2, Role::Manager), DispatcherServer::new(manager)).await;
    let config = AgentConfig {
        identity: authority.identity(1, Role::Worker),
        managers: vec![addr],
        ..config(folder.path())
    };
    let (runtime, network) = (Arc::new(FakeRuntime::default()), Arc::new(FakeNetwork::default()));
    let agent = Agent::start_with(config, runtime, network).await.unwrap();
    let welcomed = async {
        while agent.status().session.manager.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), welcomed).await.unwrap();
    agent.leave().await.unwrap();
    assert_eq!(farewells.recv().await, Some(true));
    assert_eq!(*open.borrow(), 0);
}
