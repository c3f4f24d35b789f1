//! What the words of a request mean, checked before anything is done.

use std::{net::SocketAddr, time::Duration};

use manager::GivenRoot;
use model::{Availability, ClusterSettings};
use tokio::net::lookup_host;
use wire::pb;

use crate::{
    advertise::CONTROL_PORT,
    refusal::{Outcome, Refusal},
};

/// The settings of a new cluster.
pub fn settings(request: &pb::InitRequest) -> Outcome<ClusterSettings> {
    let mut settings = ClusterSettings::default();
    if request.data_path_port != 0 {
        let port = u16::try_from(request.data_path_port).ok();
        settings.data_port = port
            .filter(|port| (1024..=49151).contains(port))
            .ok_or_else(|| Refusal::of_request("the data path port must be between 1024 and 49151"))?;
    }
    if !request.default_addr_pool.is_empty() {
        let pool = |text: &String| {
            let invalid = || Refusal::of_request(format!("invalid default address pool \"{text}\": use CIDR notation"));
            text.parse().map_err(|_| invalid())
        };
        let pools = request.default_addr_pool.iter().map(pool);
        settings.address_pools = pools.collect::<Outcome<_>>()?;
    }
    if request.default_addr_pool_mask_length != 0 {
        let prefix = u8::try_from(request.default_addr_pool_mask_length).ok();
        settings.subnet_prefix = prefix
            .filter(|prefix| (8..=29).contains(prefix))
            .ok_or_else(|| Refusal::of_request("the default address pool mask length must be between 8 and 29"))?;
    }
    running(&mut settings, request);
    settings.validate().map_err(Refusal::of_request)?;
    Ok(settings)
}

/// What can be changed later as well, by `swarm update`.
fn running(settings: &mut ClusterSettings, request: &pb::InitRequest) {
    let defaults = settings.clone();
    settings.task_history_limit = request.task_history_limit.unwrap_or(defaults.task_history_limit);
    settings.heartbeat_ms = request.heartbeat_ms.unwrap_or(defaults.heartbeat_ms);
    settings.heartbeat_grace = request.heartbeat_grace.unwrap_or(defaults.heartbeat_grace);
    settings.cert_expiry = request.cert_expiry.map_or(defaults.cert_expiry, Duration::from_nanos);
    settings.snapshot_interval = request.snapshot_interval.unwrap_or(defaults.snapshot_interval);
    settings.autolock = request.autolock;
}

/// The root certificate that a new cluster begins with, if the user brings one.
pub fn root(request: &pb::InitRequest) -> Outcome<Option<GivenRoot>> {
    GivenRoot::of(request.root_ca.clone(), request.root_key.clone()).map_err(Refusal::of_request)
}

/// Whether the node takes tasks.
pub fn availability(wire: pb::Availability) -> Outcome<Availability> {
    match wire {
        pb::Availability::Unspecified => Ok(Availability::Active),
        known => Availability::try_from(known).map_err(Refusal::of_request),
    }
}

/// `HOST:PORT` of a manager, looked up; the port may be left out.
pub async fn remote(text: &str) -> Outcome<SocketAddr> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let port: u16 = match port {
        "" => CONTROL_PORT,
        number => number.parse().unwrap_or_default(),
    };
    if host.is_empty() || port == 0 {
        let words = format!("invalid remote address \"{text}\": use HOST:PORT of a manager");
        return Err(Refusal::of_request(words));
    }
    let unknown = |why: String| Refusal::of_request(format!("cannot look up manager \"{host}\": {why}"));
    let mut found = lookup_host((host, port))
        .await
        .map_err(|error| unknown(error.to_string()))?;
    let first = found.find(SocketAddr::is_ipv4);
    first.ok_or_else(|| unknown("it has no IPv4 address".into()))
}
