//! The daemon's life: socket, owner of the node, API; until a signal ends it.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use wire::pb::local_server::LocalServer;

use crate::{
    assembly::Assembly,
    config::Config,
    gate::{Door, Gate, INACTIVE},
    local::LocalService,
    node::{Node, Order, Standing},
    parts::Parts,
    socket,
    state::NodeState,
};

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<()> {
    let path = config.socket();
    let listener = socket::bind(&path).await?;
    let data_root = config.data_root.clone();
    let parts: Arc<dyn Parts> = Arc::new(Assembly::new(config));
    // Nobody is told "inactive" while the node takes the place again that it has on the disk.
    let (door, standing) = match NodeState::exists(&data_root) {
        true => (Door::Opening, Standing::Pending),
        false => (Door::Closed(INACTIVE.into()), Standing::Inactive),
    };
    let (door, gate) = watch::channel(door);
    let (standing_in, standing) = watch::channel(standing);
    let (orders, queue) = mpsc::channel(8);
    let node = Node::new(parts.clone(), data_root, door, standing_in);
    let mut owner = tokio::spawn(node.run(queue));
    tracing::info!(socket = %path.display(), version = env!("CARGO_PKG_VERSION"), "netd answers");

    let local = LocalServer::new(LocalService::new(parts, orders.clone(), standing));
    let served = Server::builder()
        .add_service(local)
        .add_service(Gate::new(gate))
        .serve_with_incoming(UnixListenerStream::new(listener));
    tokio::select! {
        served = served => served.context("the socket's server ended")?,
        signal = ended() => tracing::info!(signal = signal?, "ending; containers and datapath go on"),
        outcome = &mut owner => return outcome.context("the node's owner ended")?,
    }
    let _ = orders.send(Order::Stop).await;
    let outcome = owner.await.context("the node's owner ended")?;
    let _ = std::fs::remove_file(&path);
    outcome
}

/// Waits for the signal to end, and names it.
async fn ended() -> Result<&'static str> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    })
}
