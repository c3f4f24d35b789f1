//! Messages of other managers, handed to the raft driver. Who calls must be the node to which the raft id belongs that it
//! speaks for, and may bring its own messages only.

use model::NodeId;
use tonic::{Request, Response, Status, Streaming, async_trait};
use wire::pb::{self, raft_ack::Verdict, raft_transport_server::RaftTransport};

use super::Api;
use crate::{access::Caller, raft::Incoming};

/// Format of the calls that this version reads.
const FORMAT: u32 = 1;
/// Bytes of the largest snapshot that is taken.
const MAX_SNAPSHOT_BYTES: usize = 4 << 30;

fn caller<T>(request: &Request<T>) -> Result<NodeId, Status> {
    let caller = request.extensions().get::<Caller>().and_then(|caller| caller.subject);
    caller
        .map(|subject| subject.node)
        .ok_or_else(|| Status::unauthenticated("a manager's certificate is needed"))
}

fn check_format(format: u32) -> Result<(), Status> {
    if format == FORMAT {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "raft messages have format {format}, this manager reads format {FORMAT}: upgrade it"
    )))
}

fn ack(verdict: Verdict) -> Response<pb::RaftAck> {
    Response::new(pb::RaftAck {
        verdict: verdict.into(),
    })
}

impl Api {
    /// Hands over what comes from `member`; what claims to come from another is dropped.
    fn step(&self, member: u64, messages: impl Iterator<Item = Vec<u8>>) {
        let parsed = messages.filter_map(|bytes| Incoming::parse(&bytes));
        let own = parsed.filter(|message| message.from() == member).collect();
        self.proposer.driver().step(own);
    }
}

#[async_trait]
impl RaftTransport for Api {
    async fn send(&self, request: Request<pb::RaftMessages>) -> Result<Response<pb::RaftAck>, Status> {
        let node = caller(&request)?;
        let call = request.into_inner();
        check_format(call.format)?;
        let verdict = self.peers.judge(node, call.member, &call.addr);
        if verdict == Verdict::Taken {
            self.peers.vouched(&call.managers);
            self.step(call.member, call.messages.into_iter());
        }
        Ok(ack(verdict))
    }

    async fn snapshot(&self, request: Request<Streaming<pb::RaftChunk>>) -> Result<Response<pb::RaftAck>, Status> {
        let node = caller(&request)?;
        let mut chunks = request.into_inner();
        let mut message = Vec::new();
        let mut sender = None;
        while let Some(chunk) = chunks.message().await? {
            check_format(chunk.format)?;
            if sender.is_none() {
                let verdict = self.peers.judge(node, chunk.member, &chunk.addr);
                if verdict != Verdict::Taken {
                    return Ok(ack(verdict));
                }
                sender = Some(chunk.member);
            }
            if message.len() + chunk.data.len() > MAX_SNAPSHOT_BYTES {
                return Err(Status::resource_exhausted(format!(
                    "a snapshot of more than {MAX_SNAPSHOT_BYTES} bytes is not taken"
                )));
            }
            message.extend_from_slice(&chunk.data);
        }
        let sender = sender.ok_or_else(|| Status::invalid_argument("a snapshot without content"))?;
        self.step(sender, std::iter::once(message));
        Ok(ack(Verdict::Taken))
    }

    async fn members(&self, _: Request<pb::MembersRequest>) -> Result<Response<pb::MembersResponse>, Status> {
        let members = self.own_members();
        let members = members.ok_or_else(|| Status::unavailable("this manager does not lead: ask the leader"))?;
        let list = |ids: &std::collections::BTreeSet<u64>| ids.iter().copied().collect();
        Ok(Response::new(pb::MembersResponse {
            leader: members.own,
            voters: list(&members.voters),
            learners: list(&members.learners),
            reachable: list(&members.reachable),
            caught_up: list(&members.caught_up),
        }))
    }
}
