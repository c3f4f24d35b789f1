//! A network in memory, for tests: remembers what it was told.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use model::{NetworkId, TaskId};
use plan::tasks::CurrentView;
use tokio::sync::watch;

use super::{DnsClients, EndpointSpec, Namespace, Network, NetworkError};

#[derive(Default)]
struct Inside {
    views: Vec<CurrentView>,
    endpoints: BTreeMap<(TaskId, NetworkId), EndpointSpec>,
    detached: bool,
    refusal: Option<String>,
}

/// A fake network.
#[derive(Default)]
pub struct FakeNetwork(Mutex<Inside>);

impl FakeNetwork {
    /// Views given to `reconcile`, in order.
    pub fn views(&self) -> Vec<CurrentView> {
        self.inside().views.clone()
    }

    /// Endpoints that exist.
    pub fn endpoints(&self) -> Vec<EndpointSpec> {
        self.inside().endpoints.values().cloned().collect()
    }

    /// Why no endpoint can be made, from now on.
    pub fn refuse(&self, why: Option<&str>) {
        self.inside().refusal = why.map(ToOwned::to_owned);
    }

    /// Whether `detach_all` was called.
    pub fn detached(&self) -> bool {
        self.inside().detached
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network for FakeNetwork {
    fn reconcile(&self, current: CurrentView) -> BoxFuture<'_, Result<(), NetworkError>> {
        async move {
            self.inside().views.push(current);
            Ok(())
        }
        .boxed()
    }

    fn ensure_endpoint(&self, endpoint: EndpointSpec, _: Namespace) -> BoxFuture<'_, Result<(), NetworkError>> {
        async move {
            let mut inside = self.inside();
            if let Some(why) = &inside.refusal {
                return Err(NetworkError(why.clone()));
            }
            inside.endpoints.insert((endpoint.task, endpoint.network), endpoint);
            Ok(())
        }
        .boxed()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>, NetworkError>> {
        async { Ok(vec![("endpoints".to_owned(), self.inside().endpoints.len() as u64)]) }.boxed()
    }

    fn detach_all(&self) -> BoxFuture<'_, Result<(), NetworkError>> {
        async {
            self.inside().detached = true;
            Ok(())
        }
        .boxed()
    }

    fn dns_clients(&self) -> watch::Receiver<DnsClients> {
        watch::channel(DnsClients::default()).1
    }

    fn resolver(&self) -> Option<Namespace> {
        None
    }
}
