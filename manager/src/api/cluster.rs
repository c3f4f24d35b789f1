//! The cluster itself, as users ask for it.

use control::plan_update_cluster;
use model::ClusterSettings;
use store::{Command, Refused, View};
use tonic::Status;
use wire::pb;

use super::{Api, admission::uncertified, refusal, request_id};
use crate::{
    ca::{self, Root, fresh_rotation},
    mint,
};

fn cluster(view: &View) -> Result<pb::Cluster, Status> {
    let cluster = view.cluster().cloned();
    let mut cluster: pb::Cluster = cluster.ok_or_else(|| refusal::refused(&Refused::NoCluster))?.into();
    ca::progress(view, &mut cluster).map_err(|why| uncertified(&why))?;
    Ok(cluster)
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

    pub(super) async fn rotate_root(&self, request: pb::RotateRootRequest) -> Result<pb::Cluster, Status> {
        let id = request_id(&request.request)?;
        let given = match (request.root_ca.as_str(), request.root_key.as_str()) {
            ("", "") => None,
            ("", _) | (_, "") => {
                return Err(Status::invalid_argument(
                    "a CA certificate needs its key: use --ca-cert FILE with --ca-key FILE",
                ));
            }
            (certificate, key) => Some(Root {
                certificate_pem: certificate.to_owned(),
                key_pem: key.to_owned(),
            }),
        };
        let rotation = fresh_rotation(&self.read().await?, given, mint::now()).map_err(|why| uncertified(&why))?;
        let rotation = rotation.ok_or_else(|| refusal::refused(&Refused::NoCluster))?;
        let (version, rotation) = (request.version, Box::new(rotation));
        let plan = |_: &View| {
            let rotation = rotation.clone();
            Ok(Command::StartRootRotation { version, rotation })
        };
        cluster(&self.change(id, plan).await?)
    }
}
