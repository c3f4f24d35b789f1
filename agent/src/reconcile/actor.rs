//! The loop of the network thread: one call, one piece of news, or one sweep at a time.

use std::sync::Arc;

use plan::tasks::CurrentView;
use tokio::{
    sync::mpsc,
    time::{self, Instant, MissedTickBehavior},
};

use super::{
    Call, Outlets, SWEEP,
    pass::{Owner, Scope},
};
use crate::{
    datapath::Datapath,
    link::{Furnishing, LinkEvents, Links},
    network::{EndpointSpec, Namespace, NetworkError},
};

/// News of links come in bursts; one pass serves those that come within this time, and so does one for a call.
const SETTLE: time::Duration = time::Duration::from_millis(50);

/// The thread's state.
pub(super) struct Actor<L, D> {
    owner: Owner<L, D>,
    outlets: Outlets,
    current: Option<CurrentView>,
    /// When links are to be looked at because of news about them.
    due: Option<Instant>,
}

impl<L: Links, D: Datapath> Actor<L, D> {
    pub(super) fn new(owner: Owner<L, D>, outlets: Outlets) -> Self {
        Self {
            owner,
            outlets,
            current: None,
            due: None,
        }
    }

    /// Works until the last handle goes or everything has been taken down.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Call>, mut events: LinkEvents) {
        let mut sweep = time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = true;
        loop {
            let due = self.due;
            tokio::select! {
                biased;
                call = queue.recv() => match call {
                    Some(Call::Detach(reply)) => {
                        let result = self.owner.detach_all().await;
                        let done = result.is_ok();
                        let _ = reply.send(result);
                        if done {
                            return;
                        }
                    }
                    Some(call) => self.serve(call).await,
                    None => return,
                },
                event = events.recv(), if news => {
                    news = event.is_some();
                    self.due.get_or_insert_with(|| Instant::now() + SETTLE);
                }
                () = time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.pass_alone(Scope::Links).await;
                }
                _ = sweep.tick() => self.pass_alone(Scope::Everything).await,
            }
        }
    }

    async fn serve(&mut self, call: Call) {
        match call {
            Call::Reconcile(current, reply) => {
                self.current = Some(current);
                let _ = reply.send(self.pass(Scope::View).await);
            }
            Call::Ensure(endpoint, namespace, reply) => drop(reply.send(self.ensure(&endpoint, &namespace).await)),
            Call::Counts(reply) => drop(reply.send(self.owner.counts().await)),
            // Taken by the loop.
            Call::Detach(_) => {}
        }
    }

    /// The program and the map rows are in place before the device is in the container, so that no packet is lost.
    async fn ensure(&mut self, endpoint: &EndpointSpec, namespace: &Namespace) -> Result<Furnishing, NetworkError> {
        let Some(current) = &self.current else {
            return Err(NetworkError(
                "this node has not been told of any network yet".to_owned(),
            ));
        };
        let peer = self.owner.prepare_endpoint(&current.view, endpoint).await?;
        self.pass(Scope::Links).await?;
        self.owner.check_endpoint(endpoint.task, endpoint.network)?;
        self.owner.enter(&peer, endpoint, namespace).await
    }

    /// A pass that nobody waits for.
    async fn pass_alone(&mut self, scope: Scope) {
        if let Err(error) = self.pass(scope).await {
            tracing::warn!(%error, "the node's network is not as it should be; trying again");
        }
    }

    async fn pass(&mut self, scope: Scope) -> Result<(), NetworkError> {
        // What was told before links are listed is seen then; what is told later is news again.
        let due = self.due.take();
        let Some(current) = &self.current else {
            return Ok(());
        };
        let result = self.owner.pass(current, scope).await;
        // A pass for more than links may fail for what a look at links alone does not touch: our own links, say, by a view
        // from before this host's address changed.
        if result.is_err() && scope > Scope::Links {
            self.due = due;
        }
        let clients = self.owner.dns_clients(&current.view);
        self.outlets.dns_clients.send_if_modified(|old| {
            let changed = **old != clients;
            if changed {
                *old = Arc::new(clients);
            }
            changed
        });
        self.outlets.report.send_if_modified(|old| {
            let mut new = self.owner.report();
            let whole = result.is_ok() && current.confirmed;
            new.applied = if whole { Some(current.view.seq) } else { old.applied };
            new.problems.extend(result.as_ref().err().map(ToString::to_string));
            let changed = *old != new;
            *old = new;
            changed
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::sync::watch;

    use super::{
        super::{
            Report,
            tests::{ip, view},
        },
        *,
    };
    use crate::{datapath::FakeDatapath, link::FakeLinks};

    #[tokio::test]
    async fn news_of_links_survive_a_pass_that_fails_by_a_view_from_before_the_host_moved() {
        let links = FakeLinks::with_uplink("eth0", ip("192.0.2.9"));
        let (dns_clients, _) = watch::channel(Arc::new(BTreeMap::new()));
        let (report, _) = watch::channel(Report::default());
        let outlets = Outlets { dns_clients, report };
        let mut actor = Actor::new(Owner::new(links, FakeDatapath::default(), 7), outlets);
        actor.current = Some(view(1, vec![]));
        let due = Some(Instant::now());
        for (scope, left) in [(Scope::View, due), (Scope::Everything, due), (Scope::Links, None)] {
            actor.due = due;
            assert!(actor.pass(scope).await.unwrap_err().to_string().contains("192.0.2.1"));
            assert_eq!(actor.due, left, "{scope:?}");
        }
    }
}
