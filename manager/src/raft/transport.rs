//! How raft messages get to other members: one bounded queue and one task per member, over mTLS to the member's control
//! port. Raft repeats what is lost, so a full queue or a dead connection drops messages and says so. A snapshot goes in
//! chunks, on a connection and in a task of its own, so that heartbeats do not wait behind it.

use std::{collections::BTreeMap, time::Duration};

use control::Members;
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tonic::transport::Channel;
use wire::pb::{self, raft_ack::Verdict, raft_transport_client::RaftTransportClient};

/// Messages that may wait per member.
const QUEUE: usize = 1024;
/// Messages per call.
const PER_CALL: usize = 32;
/// Bytes per call, unless a single message has more: the other end takes no more than 64 MiB, and both have
/// [`CALL_TIMEOUT`].
const CALL_BYTES: usize = 8 << 20;
/// Time for connecting, and for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of a snapshot per chunk.
const CHUNK: usize = 1 << 20;
/// Time for a whole snapshot.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(300);
/// Format of the calls.
const FORMAT: u32 = 1;

/// Takes messages for other members; never blocks. Called by the driver's thread.
pub trait Transport: Send + 'static {
    /// Sends an encoded raft message to the member with raft id `to`, or drops it. A `snapshot` may be large; how it went
    /// is reported.
    fn send(&mut self, to: u64, message: Vec<u8>, snapshot: bool);
    /// There are no other members than these any more.
    fn keep_only(&mut self, members: &Members);
}

/// What a member says of itself in each call.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// Its raft id.
    pub member: u64,
    /// Its control port, `HOST:PORT`, as others reach it now.
    pub addr: String,
    /// Raft's members as it has them, while it knows of no leader.
    pub managers: Vec<pb::ManagerAddr>,
}

/// Opens connections to members by raft id, and hears what became of messages.
pub trait Outbound: Clone + Send + Sync + 'static {
    /// Who calls.
    fn introduction(&self) -> Introduction;
    /// A channel to the member, or why not.
    fn connect(&self, to: u64) -> impl Future<Output = Result<Channel, String>> + Send;
    /// Messages to the member were lost.
    fn lost(&self, to: u64);
    /// A snapshot's way to the member has ended.
    fn snapshot_ended(&self, to: u64, arrived: bool);
    /// A member says that raft has let this one go.
    fn removed(&self);
}

/// The real transport.
#[derive(Debug)]
pub struct PeerChannels<O> {
    outbound: O,
    runtime: Handle,
    queues: BTreeMap<u64, mpsc::Sender<Vec<u8>>>,
}

impl<O: Outbound> PeerChannels<O> {
    /// Runs its tasks on `runtime`; they end when this is dropped.
    pub fn new(outbound: O, runtime: Handle) -> Self {
        Self {
            outbound,
            runtime,
            queues: BTreeMap::new(),
        }
    }

    fn queue(&mut self, to: u64) -> &mpsc::Sender<Vec<u8>> {
        self.queues.entry(to).or_insert_with(|| {
            let (queue, inbox) = mpsc::channel(QUEUE);
            self.runtime.spawn(carry(self.outbound.clone(), to, inbox));
            queue
        })
    }
}

impl<O: Outbound> Transport for PeerChannels<O> {
    fn send(&mut self, to: u64, message: Vec<u8>, snapshot: bool) {
        if snapshot {
            self.runtime.spawn(carry_snapshot(self.outbound.clone(), to, message));
        } else if self.queue(to).try_send(message).is_err() {
            self.outbound.lost(to);
        }
    }

    fn keep_only(&mut self, members: &Members) {
        self.queues
            .retain(|id, _| members.voters.contains(id) || members.learners.contains(id));
    }
}

/// Carries the messages of one member in order until the queue's other end is dropped.
async fn carry<O: Outbound>(outbound: O, to: u64, mut inbox: mpsc::Receiver<Vec<u8>>) {
    let mut client = None;
    let mut messages = Vec::new();
    while !messages.is_empty() || inbox.recv_many(&mut messages, PER_CALL).await > 0 {
        let batch = one_call(&mut messages);
        let attempt = deliver(&outbound, to, &mut client, batch);
        match timeout(CALL_TIMEOUT, attempt).await {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => tracing::debug!(to, why, "raft messages are lost"),
            Err(_) => tracing::debug!(to, "raft messages are lost: no answer"),
        }
        client = None;
        outbound.lost(to);
        // What piled up meanwhile is stale: raft sends it again, or something newer.
        messages.clear();
        while inbox.try_recv().is_ok() {}
    }
}

/// The first messages, taken out: as many as one call carries.
fn one_call(messages: &mut Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut bytes = 0;
    let fitting = messages.iter().take_while(|message| {
        bytes += message.len();
        bytes <= CALL_BYTES
    });
    let count = fitting.count().max(1).min(messages.len());
    messages.drain(..count).collect()
}

async fn deliver<O: Outbound>(
    outbound: &O,
    to: u64,
    client: &mut Option<RaftTransportClient<Channel>>,
    messages: Vec<Vec<u8>>,
) -> Result<(), String> {
    let open = match client {
        Some(open) => open,
        None => client.insert(RaftTransportClient::new(outbound.connect(to).await?)),
    };
    let Introduction { member, addr, managers } = outbound.introduction();
    let call = pb::RaftMessages {
        format: FORMAT,
        messages,
        member,
        addr,
        managers,
    };
    let ack = open.send(call).await.map_err(|status| status.to_string())?;
    judged(outbound, ack.into_inner().verdict())
}

fn judged<O: Outbound>(outbound: &O, verdict: Verdict) -> Result<(), String> {
    match verdict {
        Verdict::Taken => Ok(()),
        Verdict::Stranger => Err("the other manager does not know this one as a member of raft".to_owned()),
        Verdict::Removed => {
            outbound.removed();
            Err("this manager is no member of raft any more".to_owned())
        }
    }
}

async fn carry_snapshot<O: Outbound>(outbound: O, to: u64, message: Vec<u8>) {
    let bytes = message.len();
    let sent = timeout(SNAPSHOT_TIMEOUT, deliver_snapshot(&outbound, to, message)).await;
    let outcome = sent.unwrap_or_else(|_| Err("it took too long".to_owned()));
    match &outcome {
        Ok(()) => tracing::info!(to, bytes, "snapshot sent"),
        Err(why) => tracing::info!(to, bytes, why, "snapshot not sent"),
    }
    outbound.snapshot_ended(to, outcome.is_ok());
}

async fn deliver_snapshot<O: Outbound>(outbound: &O, to: u64, message: Vec<u8>) -> Result<(), String> {
    let mut client = RaftTransportClient::new(outbound.connect(to).await?);
    let Introduction { member, addr, .. } = outbound.introduction();
    let starts: Vec<usize> = (0..message.len()).step_by(CHUNK).collect();
    let chunks = starts.into_iter().map(move |start| pb::RaftChunk {
        format: FORMAT,
        member,
        addr: addr.clone(),
        data: message[start..(start + CHUNK).min(message.len())].to_vec(),
    });
    let ack = client.snapshot(tokio_stream::iter(chunks)).await;
    let ack = ack.map_err(|status| status.to_string())?.into_inner();
    judged(outbound, ack.verdict())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_messages_go_in_calls_of_their_own() {
        let sizes = [1, 2, CALL_BYTES - 3, 1, CALL_BYTES + 1, CALL_BYTES, 1];
        let mut messages: Vec<_> = sizes.into_iter().map(|size| vec![0; size]).collect();
        let mut calls = Vec::new();
        while !messages.is_empty() {
            calls.push(one_call(&mut messages).len());
        }
        assert_eq!(calls, [3, 1, 1, 1, 1]);
    }
}
