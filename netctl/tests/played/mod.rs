//! A daemon that plays a small cluster: two services of which one runs, and a second manager's refusals.

use std::path::Path;

use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, Streaming, async_trait, transport::Server};
use wire::pb::{self, control_server, local_server};

/// See the module.
#[derive(Clone, Copy)]
pub struct Played;

type Answer<T> = Result<Response<T>, Status>;

const WEB: &str = "0000000000000000000000001";

/// Serves at `path` until the runtime ends.
pub fn serve(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    let served = Server::builder()
        .add_service(local_server::LocalServer::new(Played))
        .add_service(control_server::ControlServer::new(Played))
        .serve_with_incoming(UnixListenerStream::new(listener));
    tokio::spawn(served);
}

fn service() -> pb::Service {
    let mut spec = model::ServiceSpec::new("web".parse().unwrap(), "web:1");
    spec.mode = model::Mode::Replicated { replicas: 2 };
    spec.labels.insert("com.docker.stack.namespace".into(), "shop".into());
    pb::Service {
        id: WEB.into(),
        version: 7,
        spec: Some(spec.into()),
        spec_version: 1,
        ..Default::default()
    }
}

fn network() -> pb::Network {
    let mut spec = model::NetworkSpec::named("shop_default".parse().unwrap());
    spec.labels.insert("com.docker.stack.namespace".into(), "shop".into());
    let network = model::Network {
        id: model::NetworkId::from_bits(5),
        version: 2,
        created_at: model::Timestamp(0),
        updated_at: model::Timestamp(0),
        spec,
        vni: 4097.try_into().unwrap(),
        subnet: "10.1.0.0/24".parse().unwrap(),
        gateway: "10.1.0.1".parse().unwrap(),
    };
    network.into()
}

fn refused<T>() -> Answer<T> {
    Err(Status::failed_precondition("not in this play"))
}

#[async_trait]
impl local_server::Local for Played {
    async fn info(&self, _: Request<pb::InfoRequest>) -> Answer<pb::InfoResponse> {
        Ok(Response::new(pb::InfoResponse {
            state: "inactive".into(),
            ..Default::default()
        }))
    }
    async fn init(&self, _: Request<pb::InitRequest>) -> Answer<pb::InitResponse> {
        Ok(Response::new(pb::InitResponse {
            node: "n".into(),
            worker_token: "t".into(),
            manager_addr: "192.0.2.1:2377".into(),
            ..Default::default()
        }))
    }
    /// Sealed if its content says so.
    async fn restore(&self, request: Request<Streaming<pb::RestoreRequest>>) -> Answer<pb::InitResponse> {
        let mut parts = request.into_inner();
        let first = parts.message().await?.unwrap();
        let mut data = Vec::new();
        while let Some(part) = parts.message().await? {
            data.extend(part.data);
        }
        if data == b"sealed" && first.unlock_key.is_empty() {
            return Err(Status::unauthenticated("this backup is sealed"));
        }
        Ok(Response::new(pb::InitResponse {
            node: format!("{}{}", String::from_utf8(data).unwrap(), first.unlock_key),
            former_managers: vec!["n1".into(), "n2".into()],
            ..Default::default()
        }))
    }
    async fn join(&self, _: Request<pb::JoinRequest>) -> Answer<pb::JoinResponse> {
        Ok(Response::new(pb::JoinResponse {
            node: "n".into(),
            role: pb::Role::Worker.into(),
        }))
    }
    async fn join_addr(&self, _: Request<pb::JoinAddrRequest>) -> Answer<pb::JoinAddrResponse> {
        refused()
    }
    async fn leave(&self, request: Request<pb::LeaveRequest>) -> Answer<pb::LeaveResponse> {
        match request.into_inner().force {
            true => Ok(Response::new(pb::LeaveResponse {})),
            false => refused(),
        }
    }
    async fn unlock(&self, _: Request<pb::UnlockRequest>) -> Answer<pb::UnlockResponse> {
        refused()
    }
    async fn dump_datapath(&self, _: Request<pb::DumpDatapathRequest>) -> Answer<pb::DumpDatapathResponse> {
        let counts = vec![pb::Count {
            name: "map FRONTEND".into(),
            value: 3,
        }];
        Ok(Response::new(pb::DumpDatapathResponse { counts }))
    }
}

#[async_trait]
impl control_server::Control for Played {
    type BackupStream = tokio_stream::Iter<std::vec::IntoIter<Result<pb::BackupPart, Status>>>;

    async fn backup(&self, _: Request<pb::BackupRequest>) -> Answer<Self::BackupStream> {
        let part = |data: &str| pb::BackupPart {
            data: data.as_bytes().to_vec(),
            size: 6,
            ..Default::default()
        };
        Ok(Response::new(tokio_stream::iter(vec![
            Ok(part("sea")),
            Ok(part("led")),
        ])))
    }

    type WatchStream = tokio_stream::Pending<Result<pb::WatchResponse, Status>>;
    type LogsStream = tokio_stream::Iter<std::vec::IntoIter<Result<pb::LogsResponse, Status>>>;

    /// Two lines, then another leader, then one more, and a node that is down.
    async fn logs(&self, request: Request<pb::LogsRequest>) -> Answer<Self::LogsStream> {
        let request = request.into_inner();
        assert_eq!(request.services, [WEB]);
        let line = |at, stream: pb::LogStream, text: &str| pb::LogLine {
            task: WEB.into(),
            at,
            stream: stream.into(),
            text: text.into(),
            details: String::new(),
        };
        let responses = match request.seen.first() {
            None => vec![
                Ok(pb::LogsResponse {
                    origins: vec![pb::LogOrigin {
                        task: WEB.into(),
                        name: "web.1".into(),
                        service: WEB.into(),
                        node: "n".into(),
                        hostname: "n1".into(),
                    }],
                    lines: vec![
                        line(3, pb::LogStream::Stdout, "out"),
                        line(4, pb::LogStream::Stderr, "err"),
                    ],
                    notes: Vec::new(),
                }),
                Err(Status::unavailable("this manager does not lead any more")),
            ],
            Some(seen) => {
                assert_eq!((seen.task.as_str(), seen.after), (WEB, 4));
                vec![Ok(pb::LogsResponse {
                    origins: Vec::new(),
                    lines: vec![line(5, pb::LogStream::Stdout, "more")],
                    notes: vec![pb::LogNote {
                        node: "m".into(),
                        task: String::new(),
                        reason: "node n2 is not available".into(),
                        over: false,
                    }],
                })]
            }
        };
        Ok(Response::new(tokio_stream::iter(responses)))
    }

    async fn watch(&self, _: Request<pb::WatchRequest>) -> Answer<Self::WatchStream> {
        Ok(Response::new(tokio_stream::pending()))
    }
    async fn create_network(&self, _: Request<pb::CreateNetworkRequest>) -> Answer<pb::Network> {
        Ok(Response::new(pb::Network {
            id: WEB.into(),
            ..Default::default()
        }))
    }
    async fn list_networks(&self, _: Request<pb::ListNetworksRequest>) -> Answer<pb::ListNetworksResponse> {
        let networks = vec![network()];
        Ok(Response::new(pb::ListNetworksResponse { networks }))
    }
    async fn remove_network(&self, _: Request<pb::RemoveRequest>) -> Answer<pb::RemoveResponse> {
        Err(Status::not_found("network nope not found"))
    }
    async fn create_service(&self, _: Request<pb::CreateServiceRequest>) -> Answer<pb::Service> {
        Ok(Response::new(service()))
    }
    /// Somebody else has always just changed the service, but for canaries: one of 20 % can be begun.
    async fn update_service(&self, request: Request<pb::UpdateServiceRequest>) -> Answer<pb::Service> {
        let request = request.into_inner();
        assert_eq!(request.version, 7);
        if request.promote || request.abort {
            return Err(Status::failed_precondition("service web has no canary"));
        }
        match request.canary {
            Some(share) => {
                assert_eq!(
                    (share, request.spec.unwrap().container.unwrap().image),
                    (200_000, "web:2".into())
                );
                Ok(Response::new(service()))
            }
            None => Err(Status::aborted("update out of sequence")),
        }
    }
    async fn list_services(&self, request: Request<pb::ListServicesRequest>) -> Answer<pb::ListServicesResponse> {
        let refs = request.into_inner().refs;
        match refs.iter().find(|name| *name != "web" && *name != WEB) {
            Some(name) => Err(Status::not_found(format!("service {name} not found"))),
            None => Ok(Response::new(pb::ListServicesResponse {
                services: vec![service()],
                statuses: vec![pb::ServiceStatus {
                    desired: 2,
                    ..pb::ServiceStatus::default()
                }],
            })),
        }
    }
    /// Two tasks move, one at a time.
    async fn rebalance_service(
        &self,
        request: Request<pb::RebalanceServiceRequest>,
    ) -> Answer<pb::RebalanceServiceResponse> {
        let budget = request.into_inner().budget;
        let rebalance = Some(pb::Rebalance {
            budget,
            left: 2,
            extra: 0,
        });
        Ok(Response::new(pb::RebalanceServiceResponse {
            service: Some(pb::Service { rebalance, ..service() }),
        }))
    }
    async fn remove_service(&self, request: Request<pb::RemoveRequest>) -> Answer<pb::RemoveResponse> {
        let name = request.into_inner().r#ref;
        match name.as_str() {
            "web" => Ok(Response::new(pb::RemoveResponse { id: WEB.into() })),
            _ => Err(Status::not_found(format!("service {name} not found"))),
        }
    }
    async fn list_tasks(&self, _: Request<pb::ListTasksRequest>) -> Answer<pb::ListTasksResponse> {
        Ok(Response::new(pb::ListTasksResponse::default()))
    }
    async fn list_nodes(&self, _: Request<pb::ListNodesRequest>) -> Answer<pb::ListNodesResponse> {
        refused()
    }
    async fn probe_nodes(&self, _: Request<pb::ProbeNodesRequest>) -> Answer<pb::ProbeNodesResponse> {
        refused()
    }
    async fn update_node(&self, _: Request<pb::UpdateNodeRequest>) -> Answer<pb::Node> {
        refused()
    }
    async fn remove_node(&self, _: Request<pb::RemoveRequest>) -> Answer<pb::RemoveResponse> {
        refused()
    }
    async fn create_payload(&self, _: Request<pb::CreatePayloadRequest>) -> Answer<pb::Payload> {
        refused()
    }
    async fn why(&self, _: Request<pb::WhyRequest>) -> Answer<pb::WhyResponse> {
        refused()
    }
    async fn list_payloads(&self, _: Request<pb::ListPayloadsRequest>) -> Answer<pb::ListPayloadsResponse> {
        Ok(Response::new(pb::ListPayloadsResponse::default()))
    }
    async fn update_payload(&self, _: Request<pb::UpdatePayloadRequest>) -> Answer<pb::Payload> {
        refused()
    }
    async fn rotate_payload(&self, _: Request<pb::RotatePayloadRequest>) -> Answer<pb::RotatePayloadResponse> {
        refused()
    }
    async fn remove_payload(&self, _: Request<pb::RemovePayloadRequest>) -> Answer<pb::RemoveResponse> {
        refused()
    }
    async fn get_join_token(&self, _: Request<pb::GetJoinTokenRequest>) -> Answer<pb::GetJoinTokenResponse> {
        Ok(Response::new(pb::GetJoinTokenResponse {
            token: "t".into(),
            manager_addr: "192.0.2.1:2377".into(),
        }))
    }
    async fn get_unlock_key(&self, _: Request<pb::GetUnlockKeyRequest>) -> Answer<pb::GetUnlockKeyResponse> {
        Ok(Response::new(pb::GetUnlockKeyResponse {
            unlock_key: "SWMKEY-1-x".into(),
        }))
    }
    async fn get_cluster(&self, _: Request<pb::GetClusterRequest>) -> Answer<pb::Cluster> {
        Ok(Response::new(pb::Cluster {
            id: WEB.into(),
            version: 3,
            settings: Some(model::ClusterSettings::default().into()),
            root_ca: "PEM\n".into(),
            root_digest: "ab".into(),
            nodes: 1,
            certified_nodes: 1,
            trusting_nodes: 1,
            ..Default::default()
        }))
    }
    /// A cluster of one node, which is as quick as that.
    async fn rotate_root(&self, request: Request<pb::RotateRootRequest>) -> Answer<pb::Cluster> {
        assert_eq!(request.into_inner().version, 3);
        self.get_cluster(Request::new(pb::GetClusterRequest {})).await
    }
    async fn update_cluster(&self, request: Request<pb::UpdateClusterRequest>) -> Answer<pb::Cluster> {
        let request = request.into_inner();
        let settings = request.settings.unwrap();
        assert_eq!((request.version, settings.task_history_limit), (3, 2));
        Ok(Response::new(pb::Cluster::default()))
    }
}
