//! The first message of a session: what a node is, and what it has from sessions before.

use std::{net::SocketAddr, time::Duration};

use control::Known;
use futures::TryStreamExt as _;
use model::NodeDescription;
use tokio::time::timeout;
use tonic::Status;
use wire::pb::{self, session_up};

use super::Up;

/// Version of the messages.
pub(super) const FORMAT: u32 = 2;
/// The one before: whole views only, and heartbeats are not answered.
const WHOLE_VIEWS: u32 = 1;
/// Time for a node's first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// A description as it comes from a node. One that makes no sense ends the session.
pub(super) fn parse(description: pb::NodeDescription) -> Result<NodeDescription, Status> {
    NodeDescription::try_from(description).map_err(|why| Status::invalid_argument(why.to_string()))
}

/// See the module.
pub(super) struct Hello {
    /// The node takes whole views only.
    pub whole: bool,
    pub description: NodeDescription,
    /// Where its control port is or would be.
    pub control: Option<SocketAddr>,
    /// The view that the node has.
    pub known: Option<Known>,
}

/// Waits for it, but not for long.
pub(super) async fn first(up: &mut impl Up) -> Result<Hello, Status> {
    let first = timeout(HELLO_TIMEOUT, up.try_next()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello within 5 s"))??;
    let Some(session_up::Message::Hello(hello)) = first.and_then(|up| up.message) else {
        return Err(Status::invalid_argument(
            "the first message of a session must be a hello",
        ));
    };
    let (format, seq, checksum) = (hello.format, hello.seq, hello.checksum);
    if !(WHOLE_VIEWS..=FORMAT).contains(&format) {
        return Err(Status::failed_precondition(format!(
            "session format {format} is not known, this manager speaks formats {WHOLE_VIEWS} to {FORMAT}: upgrade the older of both",
        )));
    }
    Ok(Hello {
        whole: format == WHOLE_VIEWS,
        description: parse(hello.description.unwrap_or_default())?,
        control: hello.addr.parse().ok(),
        known: (format > WHOLE_VIEWS && seq > 0).then_some(Known { seq, checksum }),
    })
}
