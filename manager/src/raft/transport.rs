//! How raft messages get to other members: one bounded queue and one task per member, over mTLS to the member's control
//! port. Raft repeats what is lost, so a full queue or a dead connection drops messages and says so.

use std::{collections::BTreeMap, time::Duration};

use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tonic::transport::Channel;
use wire::pb::{self, raft_transport_client::RaftTransportClient};

/// Messages that may wait per member.
const QUEUE: usize = 1024;
/// Messages per call.
const PER_CALL: usize = 64;
/// Time for connecting, and for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Format of the calls.
const FORMAT: u32 = 1;

/// Takes messages for other members; never blocks. Called by the driver's thread.
pub trait Transport: Send + 'static {
    /// Sends an encoded raft message to the member with raft id `to`, or drops it.
    fn send(&mut self, to: u64, message: Vec<u8>);
}

/// Opens connections to members by raft id, and hears of failures.
pub trait Outbound: Clone + Send + Sync + 'static {
    /// A channel to the member, or why not.
    fn connect(&self, to: u64) -> impl Future<Output = Result<Channel, String>> + Send;
    /// Messages to the member were lost.
    fn lost(&self, to: u64);
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
    fn send(&mut self, to: u64, message: Vec<u8>) {
        if self.queue(to).try_send(message).is_err() {
            self.outbound.lost(to);
        }
    }
}

/// Carries the messages of one member in order until the queue's other end is dropped.
async fn carry<O: Outbound>(outbound: O, to: u64, mut inbox: mpsc::Receiver<Vec<u8>>) {
    let mut client = None;
    let mut messages = Vec::new();
    while inbox.recv_many(&mut messages, PER_CALL).await > 0 {
        let batch = std::mem::take(&mut messages);
        let attempt = deliver(&outbound, to, &mut client, batch);
        if let Ok(Ok(())) = timeout(CALL_TIMEOUT, attempt).await {
            continue;
        }
        client = None;
        outbound.lost(to);
        // What piled up meanwhile is stale: raft sends it again, or something newer.
        while inbox.try_recv().is_ok() {}
    }
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
    let call = pb::RaftMessages {
        format: FORMAT,
        messages,
    };
    open.send(call).await.map(|_| ()).map_err(|status| status.to_string())
}
