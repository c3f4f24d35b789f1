//! The service that every daemon answers on its socket: how this node is, and the orders to enter and leave a cluster.

use std::{sync::Arc, time::Duration};

use agent::runtime::EngineFacts;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tonic::{Request, Response, Status, Streaming};
use wire::pb::{self, local_server::Local};

use crate::{
    node::{Member, Order, Standing},
    parts::Parts,
    preflight,
    refusal::Outcome,
};

/// How long `info` waits for the engine.
const ENGINE_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of the largest backup that is taken.
const MAX_BACKUP: usize = 4 << 30;

/// See the module.
pub struct LocalService {
    parts: Arc<dyn Parts>,
    orders: mpsc::Sender<Order>,
    standing: watch::Receiver<Standing>,
}

impl LocalService {
    /// Gives orders to the node's owner and reads what it publishes.
    pub fn new(parts: Arc<dyn Parts>, orders: mpsc::Sender<Order>, standing: watch::Receiver<Standing>) -> Self {
        Self {
            parts,
            orders,
            standing,
        }
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<Outcome<T>>) -> Order) -> Result<Response<T>, Status> {
        let stopping = || Status::unavailable("netd is stopping");
        let (reply, outcome) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| stopping())?;
        let outcome = outcome.await.map_err(|_| stopping())?;
        Ok(Response::new(outcome?))
    }

    /// What the engine says of itself, or why it does not.
    async fn engine(&self) -> Result<EngineFacts, String> {
        match timeout(ENGINE_PATIENCE, self.parts.engine()).await {
            Ok(asked) => asked.map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!(
                "the container engine does not answer within {ENGINE_PATIENCE:?}"
            )),
        }
    }
}

/// Fills in what only a node of a cluster has.
fn member_info(info: &mut pb::InfoResponse, member: &Member) {
    let status = member.agent.status();
    info.node = member.identity.node.to_string();
    info.cluster = member.identity.cluster.to_string();
    info.node_addr = member.place.advertise_addr.ip().to_string();
    info.error = status.error;
    info.cut_off_since = status.cut_off.map_or(0, |since| since.0);
    info.manager_addrs = status.managers;
    info.warnings.extend(status.warnings);
    let errors = [&member.role_error, &member.place_error];
    info.warnings
        .extend(errors.into_iter().filter(|why| !why.is_empty()).cloned());
    if let Some(manager) = &member.manager {
        let summary = manager.summary();
        info.manager = true;
        info.key_storage = summary.key_storage;
        info.tls = summary.tls;
        info.nodes = summary.nodes;
        info.managers = summary.managers;
        info.manager_addrs = summary.manager_addrs;
        let settings = pb::ClusterSettings::from(summary.settings);
        info.address_pools = settings.address_pools.clone();
        info.data_port = settings.data_port;
        info.settings = Some(settings);
    }
}

/// A backup's parts in one, with what the first one says.
async fn gathered(mut parts: Streaming<pb::RestoreRequest>) -> Result<pb::RestoreRequest, Status> {
    let mut whole = parts.message().await?.unwrap_or_default();
    while let Some(part) = parts.message().await? {
        if whole.data.len() + part.data.len() > MAX_BACKUP {
            return Err(Status::resource_exhausted(format!(
                "a backup of more than {MAX_BACKUP} bytes is not taken"
            )));
        }
        whole.data.extend_from_slice(&part.data);
    }
    Ok(whole)
}

fn hostname() -> String {
    let name = nix::unistd::gethostname();
    name.map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned())
}

#[tonic::async_trait]
impl Local for LocalService {
    async fn info(&self, _: Request<pb::InfoRequest>) -> Result<Response<pb::InfoResponse>, Status> {
        let asked = self.engine().await;
        let engine_error = asked.as_ref().err().cloned().unwrap_or_default();
        let warnings = asked.as_ref().err().cloned().into_iter().collect();
        let engine = asked.unwrap_or_default();
        let mut info = pb::InfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: hostname(),
            engine_version: engine.version,
            kernel_version: preflight::release(),
            live_restore: engine.live_restore,
            engine_error,
            warnings,
            ..Default::default()
        };
        let standing = self.standing.borrow().clone();
        info.state = match standing {
            Standing::Inactive => "inactive",
            Standing::Pending => "pending",
            Standing::Active(member) => {
                member_info(&mut info, &member);
                if member.locked { "locked" } else { "active" }
            }
            Standing::Failed(why) => {
                info.error = why;
                "error"
            }
        }
        .to_owned();
        Ok(Response::new(info))
    }

    async fn init(&self, request: Request<pb::InitRequest>) -> Result<Response<pb::InitResponse>, Status> {
        self.order(|reply| Order::Init(request.into_inner(), reply)).await
    }

    async fn restore(
        &self,
        request: Request<Streaming<pb::RestoreRequest>>,
    ) -> Result<Response<pb::InitResponse>, Status> {
        let whole = gathered(request.into_inner()).await?;
        self.order(|reply| Order::Restore(whole, reply)).await
    }

    async fn join(&self, request: Request<pb::JoinRequest>) -> Result<Response<pb::JoinResponse>, Status> {
        self.order(|reply| Order::Join(request.into_inner(), reply)).await
    }

    async fn unlock(&self, request: Request<pb::UnlockRequest>) -> Result<Response<pb::UnlockResponse>, Status> {
        self.order(|reply| Order::Unlock(request.into_inner(), reply)).await?;
        Ok(Response::new(pb::UnlockResponse {}))
    }

    async fn join_addr(&self, request: Request<pb::JoinAddrRequest>) -> Result<Response<pb::JoinAddrResponse>, Status> {
        self.order(|reply| Order::JoinAddr(request.into_inner(), reply)).await?;
        Ok(Response::new(pb::JoinAddrResponse {}))
    }

    async fn leave(&self, request: Request<pb::LeaveRequest>) -> Result<Response<pb::LeaveResponse>, Status> {
        self.order(|reply| Order::Leave(request.into_inner(), reply)).await?;
        Ok(Response::new(pb::LeaveResponse {}))
    }

    async fn dump_datapath(
        &self,
        _: Request<pb::DumpDatapathRequest>,
    ) -> Result<Response<pb::DumpDatapathResponse>, Status> {
        let standing = self.standing.borrow().clone();
        let Standing::Active(member) = standing else {
            // Nothing of ours is in the kernel of a node that is in no cluster.
            return Ok(Response::new(pb::DumpDatapathResponse::default()));
        };
        let counts = member.agent.counts().await;
        let counts = counts.map_err(|error| Status::unavailable(format!("{error:#}")))?;
        let counts = counts.into_iter().map(|(name, value)| pb::Count { name, value });
        Ok(Response::new(pb::DumpDatapathResponse {
            counts: counts.collect(),
        }))
    }
}
