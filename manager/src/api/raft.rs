//! Messages of other managers, handed to the raft driver.

use tonic::{Request, Response, Status, async_trait};
use wire::pb::{self, raft_transport_server::RaftTransport};

use super::Api;

/// Format of the calls that this version reads.
const FORMAT: u32 = 1;

#[async_trait]
impl RaftTransport for Api {
    async fn send(&self, request: Request<pb::RaftMessages>) -> Result<Response<pb::RaftAck>, Status> {
        let pb::RaftMessages { format, messages } = request.into_inner();
        if format != FORMAT {
            return Err(Status::failed_precondition(format!(
                "raft messages have format {format}, this manager reads format {FORMAT}: upgrade it"
            )));
        }
        self.proposer.driver().step(messages);
        Ok(Response::new(pb::RaftAck {}))
    }
}
