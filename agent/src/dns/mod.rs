//! The node's resolver for containers, at [`RESOLVER`] inside the node.
//!
//! The datapath gives every endpoint's questions a source address that is unique on the node, so that the caller is
//! known even where subnets of networks are equal. What a name means is decided by [`answer`], purely, from the view
//! that the kernel has too; other names go to the host's upstreams, from internal networks nowhere.

mod answer;
mod forward;
mod reply;
mod serve;
pub mod upstream;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_proto::op::Message;
use model::{NodeView, TaskId};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

pub use answer::{Answer, Question, answer};
pub use serve::serve;

use crate::{network::DnsClients, worker::CurrentView};

/// Where containers ask; the address of the resolver's own namespace.
pub const RESOLVER: Ipv4Addr = abi::DNS_ADDR;
/// Endpoint with local index `n` asks from this address + `n`.
const CLIENTS: Ipv4Addr = abi::DNS_CLIENT_BASE;
/// Of [`CLIENTS`].
const CLIENTS_PREFIX: u32 = abi::DNS_CLIENT_PREFIX as u32;

/// Where name servers listen, this one too.
const PORT: u16 = 53;

/// How long a question waits for an agent that has just begun; most clients ask again after 5 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// Questions that may be with upstreams at a time, each for seconds if those do not answer. Fewer than may be open: names
/// of the cluster are answered whatever becomes of the others.
const FORWARDED: usize = 896;

/// How a question came, and so how its answer may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

/// Answers questions of this node's containers.
#[derive(Clone)]
pub struct Resolver {
    view: watch::Receiver<Option<CurrentView>>,
    clients: watch::Receiver<DnsClients>,
    forwards: Arc<Semaphore>,
}

impl Resolver {
    /// Over the view that the kernel has, and the endpoints that the network numbered.
    pub fn new(view: watch::Receiver<Option<CurrentView>>, clients: watch::Receiver<DnsClients>) -> Self {
        Self {
            view,
            clients,
            forwards: Arc::new(Semaphore::new(FORWARDED)),
        }
    }

    /// The whole answer to a question from `source`; `None`: not worth one (not a question).
    async fn resolve(&self, packet: &[u8], source: IpAddr, transport: Transport) -> Option<Vec<u8>> {
        let request = Message::from_vec(packet).ok()?;
        let question = reply::question(&request)?;
        let known = self.known(source).await;
        let found = match &known {
            Some((view, caller)) => answer(view, *caller, &question),
            None => Answer::Refused,
        };
        match found {
            Answer::Elsewhere => match self.forward(packet, transport, servers(known)).await {
                Some(response) => Some(response),
                None => reply::server_failure(&request),
            },
            found => reply::encode(&request, &question, found, transport),
        }
    }

    /// What upstreams say; `None`: nothing, or too many questions are with them already.
    async fn forward(&self, packet: &[u8], transport: Transport, servers: Vec<IpAddr>) -> Option<Vec<u8>> {
        let _permit = self.forwards.try_acquire().ok()?;
        let servers: Vec<SocketAddr> = servers.into_iter().map(|server| (server, PORT).into()).collect();
        forward::ask(packet, transport, &servers).await
    }

    /// The view, and the task that asks. An agent that has just begun waits for both: an endpoint that was there before
    /// must not be told that its names are gone.
    async fn known(&self, source: IpAddr) -> Option<(Arc<NodeView>, TaskId)> {
        let index = client_index(source)?;
        let (mut views, mut clients) = (self.view.clone(), self.clients.clone());
        let both = async {
            let known = clients.wait_for(|clients| clients.contains_key(&index));
            let (caller, _) = *known.await.ok()?.get(&index)?;
            let current = views.wait_for(Option::is_some).await.ok()?.clone()?;
            Some((current.view, caller))
        };
        timeout(PATIENCE, both).await.ok().flatten()
    }
}

/// Who is asked for names that are not ours: the task's own name servers, or else the host's.
fn servers(known: Option<(Arc<NodeView>, TaskId)>) -> Vec<IpAddr> {
    let own = known.and_then(|(view, caller)| {
        let task = view.tasks.iter().find(|task| task.id == caller)?;
        Some(task.container.dns.nameservers.clone())
    });
    own.filter(|servers| !servers.is_empty()).unwrap_or_else(upstream::read)
}

fn client_index(source: IpAddr) -> Option<u32> {
    let IpAddr::V4(source) = source else { return None };
    let offset = source.to_bits().checked_sub(CLIENTS.to_bits())?;
    (offset < 1 << (32 - CLIENTS_PREFIX)).then_some(offset)
}

/// What an operator should know of the resolver.
pub fn warnings() -> Vec<String> {
    if upstream::read().is_empty() {
        return vec!["/etc/resolv.conf names no name server: containers resolve names of the cluster only".to_owned()];
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
