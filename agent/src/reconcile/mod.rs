//! The node's network as one owner: a thread that holds links and datapath, and the handle by which everybody asks it.
//!
//! The thread never waits for the engine or for managers, so a container that the engine starts may wait for it. It
//! works on a new view, on news of links and addresses, and every [`SWEEP`] against drift.

mod actor;
mod pass;
#[cfg(test)]
mod tests;

use std::{future::Future, io, thread, time::Duration};

use futures::future::BoxFuture;
use model::PublishedPort;
use plan::tasks::CurrentView;
use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
};

use crate::{
    datapath::{Counts, DatapathPaths, KernelDatapath, netns_cookie},
    link::{Furnishing, LinkEvents, Links, Netlink, empty_namespace},
    network::{DnsClients, EndpointSpec, Namespace, Network, NetworkError},
};

use self::{actor::Actor, pass::Owner};

/// How often the kernel is compared with what it should have, whether or not anything is known to have changed.
pub const SWEEP: Duration = Duration::from_secs(10);
/// Calls that may wait in line.
const QUEUE: usize = 256;

/// How the node's network is, as of the last pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `seq` of the last view that the kernel has wholly.
    pub applied: Option<u64>,
    /// Published ports that something on this host holds; not captured here.
    pub held: Vec<PublishedPort>,
    /// Limits and failures, in words for a user.
    pub problems: Vec<String>,
}

/// What the thread is asked.
enum Call {
    Reconcile(CurrentView, Reply<()>),
    Ensure(EndpointSpec, Namespace, Reply<Furnishing>),
    Counts(Reply<Counts>),
    Detach(Reply<()>),
}

type Reply<T> = oneshot::Sender<Result<T, NetworkError>>;

/// The way to the node's network. The thread ends, leaving everything in the kernel as it is, when the last clone goes.
#[derive(Clone)]
pub struct NetHandle {
    calls: mpsc::Sender<Call>,
    dns_clients: watch::Receiver<DnsClients>,
    report: watch::Receiver<Report>,
    resolver: Option<Namespace>,
}

/// What the thread says to everybody.
struct Outlets {
    dns_clients: watch::Sender<DnsClients>,
    report: watch::Sender<Report>,
}

fn fail(error: impl ToString) -> NetworkError {
    NetworkError(error.to_string())
}

/// The network's start, which goes on in its thread: loading the programs takes a second on a busy machine.
pub struct Opening(oneshot::Receiver<Result<(), NetworkError>>);

impl Opening {
    /// Waits until netlink is open, the programs are loaded, and what is pinned is adopted.
    pub async fn done(self) -> Result<(), NetworkError> {
        self.0.await.unwrap_or_else(|_| Err(fail(ENDED)))
    }
}

const ENDED: &str = "the network thread ended while it started";

/// Starts the network of the calling thread's namespace and waits until it is open. Nothing changes in the kernel
/// before the first view. Not to be called where tokio runs tasks.
pub fn start(paths: DatapathPaths) -> Result<NetHandle, NetworkError> {
    let (handle, opening) = begin(paths)?;
    opening.0.blocking_recv().unwrap_or_else(|_| Err(fail(ENDED)))?;
    Ok(handle)
}

/// As [`start`], without waiting: what the handle is asked meanwhile is done once the network is open.
pub fn begin(paths: DatapathPaths) -> Result<(NetHandle, Opening), NetworkError> {
    let none = |error: io::Error| fail(format!("there is no network namespace for the resolver: {error}"));
    let resolver = empty_namespace().map_err(none)?;
    let room = resolver.clone();
    let (handle, opening) = begin_with(move || {
        let (links, events) = Netlink::open().map_err(fail)?;
        let links = links.with_resolver(room);
        let datapath = KernelDatapath::open(&paths).map_err(fail)?;
        let cookie = netns_cookie().map_err(|error| fail(format!("the network namespace has no cookie: {error}")))?;
        Ok((Owner::new(links, datapath, cookie), events))
    })?;
    let resolver = Some(resolver);
    Ok((NetHandle { resolver, ..handle }, opening))
}

/// Starts the thread with whatever `open` makes in it: neither links nor datapath need to be sendable.
fn begin_with<L, D, F>(open: F) -> Result<(NetHandle, Opening), NetworkError>
where
    L: Links + 'static,
    D: crate::datapath::Datapath + 'static,
    F: FnOnce() -> Result<(Owner<L, D>, LinkEvents), NetworkError> + Send + 'static,
{
    let (calls, queue) = mpsc::channel(QUEUE);
    let (clients_in, dns_clients) = watch::channel(DnsClients::default());
    let (report_in, report) = watch::channel(Report::default());
    let outlets = Outlets {
        dns_clients: clients_in,
        report: report_in,
    };
    let (opened, outcome) = oneshot::channel();
    let body = move || {
        run(async move {
            match open() {
                Ok((owner, events)) => {
                    let _ = opened.send(Ok(()));
                    Actor::new(owner, outlets).run(queue, events).await;
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        })
    };
    thread::Builder::new()
        .name("network".to_owned())
        .spawn(body)
        .map_err(fail)?;
    let handle = NetHandle {
        calls,
        dns_clients,
        report,
        resolver: None,
    };
    Ok((handle, Opening(outcome)))
}

/// A runtime for one thread.
fn run(work: impl Future<Output = ()>) {
    let built: io::Result<_> = runtime::Builder::new_current_thread().enable_all().build();
    match built {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => tracing::error!(%error, "no runtime for the network thread"),
    }
}

impl NetHandle {
    /// How the network is; changes with every pass.
    pub fn report(&self) -> watch::Receiver<Report> {
        self.report.clone()
    }

    fn ask<'a, T: Send + 'a>(&'a self, call: impl FnOnce(Reply<T>) -> Call) -> BoxFuture<'a, Result<T, NetworkError>> {
        let (reply, answer) = oneshot::channel();
        let call = call(reply);
        Box::pin(async move {
            let ended = || fail("the node's network has been taken down");
            self.calls.send(call).await.map_err(|_| ended())?;
            answer.await.map_err(|_| ended())?
        })
    }
}

impl Network for NetHandle {
    fn reconcile(&self, current: CurrentView) -> BoxFuture<'_, Result<(), NetworkError>> {
        self.ask(|reply| Call::Reconcile(current, reply))
    }

    fn ensure_endpoint(&self, endpoint: EndpointSpec, into: Namespace) -> BoxFuture<'_, Result<(), NetworkError>> {
        let moved = self.ask(|reply| Call::Ensure(endpoint, into, reply));
        // The rest beside the thread: many containers may start at the same time.
        Box::pin(async move { moved.await?.await.map_err(fail) })
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts, NetworkError>> {
        self.ask(Call::Counts)
    }

    /// As the trait says; the thread ends with it, and a node that joins again starts a new one.
    fn detach_all(&self) -> BoxFuture<'_, Result<(), NetworkError>> {
        self.ask(Call::Detach)
    }

    fn dns_clients(&self) -> watch::Receiver<DnsClients> {
        self.dns_clients.clone()
    }

    fn resolver(&self) -> Option<Namespace> {
        self.resolver.clone()
    }
}
