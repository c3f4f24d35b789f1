//! The cluster itself, as users ask for it.

use control::plan_update_cluster;
use model::ClusterSettings;
use seal::UnlockKey;
use store::{Command, Refused, View};
use tonic::Status;
use wire::pb;

use super::{Api, admission::uncertified, refusal, request_id};
use crate::{
    ca::{self, Root, fresh_rotation},
    config::GivenRoot,
    mint,
};

fn cluster(view: &View) -> Result<pb::Cluster, Status> {
    let cluster = view.cluster().cloned();
    let mut cluster: pb::Cluster = cluster.ok_or_else(|| refusal::refused(&Refused::NoCluster))?.into();
    ca::progress(view, &mut cluster).map_err(|why| uncertified(&why))?;
    Ok(cluster)
}

/// Autolock comes with a key and goes with it, in one step.
fn with_unlock_key(view: &View, update: Command, autolock: bool, fresh: &str) -> Command {
    let before = view.cluster().is_some_and(|cluster| cluster.settings.autolock);
    if before == autolock {
        return update;
    }
    let unlock_key = if autolock { fresh.to_owned() } else { String::new() };
    let unlock_key = unlock_key.into();
    Command::Batch(vec![update, Command::SetUnlockKey { unlock_key }])
}

impl Api {
    pub(super) async fn get_unlock_key(
        &self,
        request: pb::GetUnlockKeyRequest,
    ) -> Result<pb::GetUnlockKeyResponse, Status> {
        let mut view = self.read().await?;
        if request.rotate {
            let unlock_key = UnlockKey::fresh().to_string();
            let plan = move |_: &View| {
                let unlock_key = unlock_key.clone().into();
                Ok(Command::SetUnlockKey { unlock_key })
            };
            view = self.queue.change(request_id(&request.request)?, plan).await?;
        }
        let cluster = view.cluster().ok_or_else(|| refusal::refused(&Refused::NoCluster))?;
        Ok(pb::GetUnlockKeyResponse {
            unlock_key: cluster.secrets.unlock_key.clone(),
        })
    }

    pub(super) async fn get_cluster(&self, _: pb::GetClusterRequest) -> Result<pb::Cluster, Status> {
        cluster(&self.read().await?)
    }

    pub(super) async fn update_cluster(&self, request: pb::UpdateClusterRequest) -> Result<pb::Cluster, Status> {
        let id = request_id(&request.request)?;
        let given = request.settings.unwrap_or_default();
        let settings = ClusterSettings::try_from(given).map_err(|why| refusal::invalid(&why))?;
        let fresh = UnlockKey::fresh().to_string();
        let plan = move |view: &View| {
            let update = plan_update_cluster(view, request.version, settings.clone())?;
            Ok(with_unlock_key(view, update, settings.autolock, &fresh))
        };
        cluster(&self.queue.change(id, plan).await?)
    }

    pub(super) async fn rotate_root(&self, request: pb::RotateRootRequest) -> Result<pb::Cluster, Status> {
        let id = request_id(&request.request)?;
        let given = GivenRoot::of(request.root_ca, request.root_key).map_err(|why| uncertified(&why))?;
        let rotation =
            fresh_rotation(&self.read().await?, given.map(Root::from), mint::now()).map_err(|why| uncertified(&why))?;
        let rotation = rotation.ok_or_else(|| refusal::refused(&Refused::NoCluster))?;
        let (version, rotation) = (request.version, Box::new(rotation));
        let plan = move |_: &View| {
            let rotation = rotation.clone();
            Ok(Command::StartRootRotation { version, rotation })
        };
        cluster(&self.queue.change(id, plan).await?)
    }
}
