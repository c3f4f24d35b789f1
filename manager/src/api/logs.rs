//! Logs, as users ask for them. Only the leader has the sessions to read them by: another manager passes them on.

use control::{find_service, find_task};
use model::{NodeId, TaskId, Timestamp};
use store::{Refused, View};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use wire::pb::{self, control_client::ControlClient};

use super::{Api, refusal};
use crate::{
    logs::{Reading, Wanted},
    raft::Outbound,
};

/// Responses that wait in a stream.
const QUEUE: usize = 2;

pub(super) type LogsStream = ReceiverStream<Result<pb::LogsResponse, Status>>;

impl Api {
    pub(super) async fn logs(&self, request: pb::LogsRequest) -> Result<LogsStream, Status> {
        let view = self.read().await?;
        let wanted = wanted(&view, &request)?;
        match self.proposer.leader() {
            Some(leader) if leader == self.node => {}
            Some(leader) if !request.passed_on => return self.logs_by(leader, &view, &wanted, request).await,
            _ => return Err(Status::unavailable("no manager leads just now: try again")),
        }
        let (to, stream) = mpsc::channel(QUEUE);
        let reading = Reading {
            wanted,
            desk: self.desk.clone(),
            proposer: self.proposer.clone(),
            stopping: self.stopping.clone(),
            to,
        };
        tokio::spawn(reading.run());
        Ok(ReceiverStream::new(stream))
    }

    async fn logs_by(
        &self,
        leader: NodeId,
        view: &View,
        wanted: &Wanted,
        request: pb::LogsRequest,
    ) -> Result<LogsStream, Status> {
        let member = view.node(leader).and_then(|node| node.raft_id);
        let member = member.ok_or_else(|| Status::unavailable("the leader is not known"))?;
        let channel = self.peers.connect(member).await.map_err(Status::unavailable)?;
        let request = pb::LogsRequest {
            services: wanted.services.iter().map(ToString::to_string).collect(),
            tasks: wanted.tasks.iter().map(ToString::to_string).collect(),
            passed_on: true,
            ..request
        };
        let mut from = ControlClient::new(channel).logs(request).await?.into_inner();
        let (to, stream) = mpsc::channel(QUEUE);
        let mut stopping = self.stopping.clone();
        tokio::spawn(async move {
            let passing = async {
                while let Some(response) = from.message().await.transpose() {
                    if to.send(response).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = passing => {}
                () = to.closed() => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        });
        Ok(ReceiverStream::new(stream))
    }
}

fn wanted(view: &View, request: &pb::LogsRequest) -> Result<Wanted, Status> {
    let refused = |why: Refused| refusal::refused(&why);
    let services = request.services.iter();
    let services = services.map(|what| Ok(find_service(view, what).map_err(refused)?.id));
    let tasks = request.tasks.iter();
    let tasks = tasks.map(|what| Ok(find_task(view, what).map_err(refused)?.id));
    let seen = request.seen.iter().map(|seen| {
        let task: Result<TaskId, model::Invalid> = seen.task.parse();
        Ok((task.map_err(|why| refusal::invalid(&why))?, Timestamp(seen.after)))
    });
    let wanted = Wanted {
        services: services.collect::<Result<_, Status>>()?,
        tasks: tasks.collect::<Result<_, Status>>()?,
        follow: request.follow,
        details: request.details,
        tail: request.tail,
        after: Timestamp(request.since.saturating_sub(1)),
        seen: seen.collect::<Result<_, Status>>()?,
    };
    if wanted.services.is_empty() && wanted.tasks.is_empty() {
        return Err(Status::invalid_argument(
            "name a service or a task whose logs are wanted",
        ));
    }
    Ok(wanted)
}
