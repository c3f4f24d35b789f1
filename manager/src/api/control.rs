//! The cluster's API: each method handed to the file of its object. Mounted on the control port for managers and on the
//! local socket.

use tonic::{Request, Response, Status, async_trait};
use wire::pb::{self, control_server::Control};

use super::Api;

macro_rules! control {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        #[async_trait]
        impl Control for Api {
            type WatchStream = super::watch::WatchStream;
            type LogsStream = super::logs::LogsStream;

            async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
                Api::watch(self, request.into_inner()).await.map(Response::new)
            }

            type BackupStream = super::backup::BackupStream;

            async fn backup(&self, _: Request<pb::BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
                Api::backup(self).await.map(Response::new)
            }

            async fn logs(&self, request: Request<pb::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
                Api::logs(self, request.into_inner()).await.map(Response::new)
            }

            $(async fn $method(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                Api::$method(self, request.into_inner()).await.map(Response::new)
            })*
        }
    };
}

control! {
    create_network(CreateNetworkRequest) -> Network;
    list_networks(ListNetworksRequest) -> ListNetworksResponse;
    remove_network(RemoveRequest) -> RemoveResponse;
    create_service(CreateServiceRequest) -> Service;
    update_service(UpdateServiceRequest) -> Service;
    list_services(ListServicesRequest) -> ListServicesResponse;
    remove_service(RemoveRequest) -> RemoveResponse;
    rebalance_service(RebalanceServiceRequest) -> RebalanceServiceResponse;
    list_tasks(ListTasksRequest) -> ListTasksResponse;
    why(WhyRequest) -> WhyResponse;
    list_nodes(ListNodesRequest) -> ListNodesResponse;
    probe_nodes(ProbeNodesRequest) -> ProbeNodesResponse;
    update_node(UpdateNodeRequest) -> Node;
    remove_node(RemoveRequest) -> RemoveResponse;
    get_join_token(GetJoinTokenRequest) -> GetJoinTokenResponse;
    get_cluster(GetClusterRequest) -> Cluster;
    get_unlock_key(GetUnlockKeyRequest) -> GetUnlockKeyResponse;
    update_cluster(UpdateClusterRequest) -> Cluster;
    rotate_root(RotateRootRequest) -> Cluster;
    create_payload(CreatePayloadRequest) -> Payload;
    list_payloads(ListPayloadsRequest) -> ListPayloadsResponse;
    update_payload(UpdatePayloadRequest) -> Payload;
    rotate_payload(RotatePayloadRequest) -> RotatePayloadResponse;
    remove_payload(RemovePayloadRequest) -> RemoveResponse;
}
