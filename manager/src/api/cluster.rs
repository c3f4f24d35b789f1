//! The cluster itself, as users ask for it.

use control::plan_update_cluster;
use model::ClusterSettings;
use store::{Refused, View};
use tonic::Status;
use wire::pb;

use super::{Api, refusal, request_id};

fn cluster(view: &View) -> Result<pb::Cluster, Status> {
    let cluster = view.cluster().cloned();
    cluster
        .map(Into::into)
        .ok_or_else(|| refusal::refused(&Refused::NoCluster))
}

impl Api {
    pub(super) async fn get_cluster(&self, _: pb::GetClusterRequest) -> Result<pb::Cluster, Status> {
        cluster(&self.read().await?)
    }

    pub(super) async fn update_cluster(&self, request: pb::UpdateClusterRequest) -> Result<pb::Cluster, Status> {
        let id = request_id(&request.request)?;
        let given = request.settings.unwrap_or_default();
        let settings = ClusterSettings::try_from(given).map_err(|why| refusal::invalid(&why))?;
        if settings.autolock {
            return Err(Status::unimplemented("--autolock: not built yet"));
        }
        let plan = |view: &View| plan_update_cluster(view, request.version, settings.clone());
        cluster(&self.change(id, plan).await?)
    }
}
