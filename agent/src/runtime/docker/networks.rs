//! Our networks at the engine: made on demand, one at a time, as old engines let two calls make two networks of one name.
//!
//! Those that were seen are not asked for again at each container: an engine answers with all that is in the network. They
//! are forgotten when they are removed here, when the engine has not found something, and when it went away.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bollard::{
    errors::Error,
    models::{Ipam, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptions, ListNetworksOptionsBuilder},
};
use model::NetworkId;
use tokio::sync::Semaphore;

use super::{DockerRuntime, RuntimeError};
use crate::plugin;

/// Prefix of the engine's name of a network of ours; the rest is the network id.
pub(super) const NETWORK_PREFIX: &str = "ntl-";

/// The engine's name of a network of ours.
pub(super) fn network_name(network: NetworkId) -> String {
    format!("{NETWORK_PREFIX}{network}")
}

/// See the module.
#[derive(Clone)]
pub(super) struct Networks {
    /// One permit: who holds it may make or remove networks.
    turn: Arc<Semaphore>,
    /// Those that are there. Held for an instant only.
    seen: Arc<Mutex<BTreeSet<NetworkId>>>,
}

impl Networks {
    pub(super) fn new() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            seen: Arc::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeSet<NetworkId>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DockerRuntime {
    pub(super) fn forget_networks(&self) {
        self.networks.seen().clear();
    }

    pub(super) async fn ensure_network(&self, network: NetworkId) -> Result<(), RuntimeError> {
        if self.networks.seen().contains(&network) {
            return Ok(());
        }
        let _turn = self.networks.turn.acquire().await;
        // Another task of the network may have had the turn before.
        if !self.networks.seen().contains(&network) {
            self.find_or_make(network).await?;
            self.networks.seen().insert(network);
        }
        Ok(())
    }

    async fn find_or_make(&self, network: NetworkId) -> Result<(), RuntimeError> {
        let name = network_name(network);
        let docker = self.docker().await?;
        match docker.inspect_network(&name, None::<InspectNetworkOptions>).await {
            Ok(_) => return Ok(()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(self.fault(error)),
        }
        let request = NetworkCreateRequest {
            name,
            driver: Some(plugin::DRIVER.to_owned()),
            // Managers own all addresses: the engine keeps no pool.
            ipam: Some(Ipam {
                driver: Some("null".to_owned()),
                ..Ipam::default()
            }),
            options: Some(HashMap::from([(
                plugin::OPTION_NETWORK.to_owned(),
                network.to_string(),
            )])),
            ..NetworkCreateRequest::default()
        };
        docker
            .create_network(request)
            .await
            .map(drop)
            .map_err(|e| self.fault(e))
    }

    /// Removes our networks that are not `needed`.
    pub(super) async fn prune(&self, needed: &[NetworkId]) -> Result<(), RuntimeError> {
        let _turn = self.networks.turn.acquire().await;
        let filters = HashMap::from([("name", vec![NETWORK_PREFIX]), ("driver", vec![plugin::DRIVER])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let networks = self.docker().await?.list_networks(Some(options)).await;
        let networks = networks.map_err(|e| self.fault(e))?;
        for (name, id) in networks.into_iter().filter_map(|n| ours(n.name?)) {
            if !needed.contains(&id) {
                self.networks.seen().remove(&id);
                // One that still has endpoints is refused, and tried again after the next removal.
                if let Err(error) = self.docker().await?.remove_network(&name).await {
                    tracing::debug!(%name, %error, "engine network stays");
                }
            }
        }
        Ok(())
    }
}

fn ours(name: String) -> Option<(String, NetworkId)> {
    let id = name.strip_prefix(NETWORK_PREFIX)?.parse().ok()?;
    Some((name, id))
}
