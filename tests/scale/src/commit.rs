//! One manager with its log on disk: what a commit costs, how many share one, and a stack of services through the API
//! that `netctl` uses (the local socket's routes, over a pipe in memory). Wall time: the disk counts.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::{StreamExt as _, stream};
use hyper_util::rt::TokioIo;
use manager::{InitParams, Manager, ManagerConfig, ManagerHandle};
use store::Command;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use wire::pb::{self, control_client::ControlClient};

use crate::figure;

/// Proposals one after the other.
const SEQUENTIAL: usize = 500;
/// Proposals of which many wait at a time.
const CONCURRENT: usize = 20_000;
const IN_FLIGHT: usize = 1_000;
/// Services of a stack.
const SERVICES: usize = 1_000;
/// Callers at once, all in one network.
const CALLS_IN_FLIGHT: usize = 64;

/// Runs a manager in `folder`, in this process.
pub fn measure(folder: &Path) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run(folder))
}

async fn run(folder: &Path) -> Result<()> {
    let folder = tempfile::tempdir_in(folder)?;
    let config = ManagerConfig {
        data_root: folder.path().to_owned(),
        listen_addr: ([127, 0, 0, 1], 0).into(),
        advertise_addr: ([127, 0, 0, 1], 0).into(),
        hints: manager::Hints::default(),
    };
    let (manager, _) = Manager::bootstrap(config, InitParams::new()).await?;
    figures(&manager, 1).await?;
    let control = operator(&manager).await?;
    network(control.clone()).await?;
    let began = Instant::now();
    for number in 0..SERVICES {
        create(control.clone(), format!("one-{number}")).await?;
    }
    figure::tell("stack_1000_services_sequential", began.elapsed().as_secs_f64(), "s");
    let began = Instant::now();
    let calls = stream::iter((0..SERVICES).map(|number| create(control.clone(), format!("many-{number}"))));
    let mut calls = calls.buffer_unordered(CALLS_IN_FLIGHT);
    while let Some(created) = calls.next().await {
        created?;
    }
    figure::tell("stack_1000_services_concurrent", began.elapsed().as_secs_f64(), "s");
    manager.shutdown().await;
    Ok(())
}

/// An entry that changes nothing: what is left is the way through Raft and the disk.
fn nothing() -> Command {
    Command::Tasks(Vec::new())
}

/// Latency and rate of commits in a group of so many, by its leader.
pub async fn figures(manager: &ManagerHandle, managers: usize) -> Result<()> {
    let group = match managers {
        1 => "1_manager".to_owned(),
        _ => format!("{managers}_managers"),
    };
    latency(manager, &group).await?;
    throughput(manager, &group).await
}

async fn latency(manager: &ManagerHandle, group: &str) -> Result<()> {
    let mut times: Vec<Duration> = Vec::with_capacity(SEQUENTIAL);
    for _ in 0..SEQUENTIAL {
        let began = Instant::now();
        manager.proposer().propose(nothing()).await?;
        times.push(began.elapsed());
    }
    figure::percentile(&format!("commit_{group}_p50"), &mut times, 0.50);
    figure::percentile(&format!("commit_{group}_p99"), &mut times, 0.99);
    Ok(())
}

async fn throughput(manager: &ManagerHandle, group: &str) -> Result<()> {
    let began = Instant::now();
    let proposals = stream::iter((0..CONCURRENT).map(|_| manager.proposer().propose(nothing())));
    let mut proposals = proposals.buffer_unordered(IN_FLIGHT);
    while let Some(applied) = proposals.next().await {
        applied?;
    }
    figure::rate(&format!("proposals_{group}"), CONCURRENT, began.elapsed());
    Ok(())
}

async fn operator(manager: &ManagerHandle) -> Result<ControlClient<Channel>> {
    let (here, there) = tokio::io::duplex(1 << 20);
    let routes = manager.local_routes();
    tokio::spawn(async move {
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(there));
        Server::builder().add_routes(routes).serve_with_incoming(incoming).await
    });
    let mut pipe = Some(here);
    let connector = tower::service_fn(move |_: Uri| {
        let pipe = pipe.take().map(TokioIo::new).ok_or(std::io::ErrorKind::NotConnected);
        async move { pipe.map_err(std::io::Error::from) }
    });
    let endpoint = Endpoint::from_static("http://local");
    Ok(ControlClient::new(endpoint.connect_with_connector(connector).await?))
}

async fn network(mut control: ControlClient<Channel>) -> Result<()> {
    let spec = pb::NetworkSpec {
        name: "bench".to_owned(),
        subnet: Some("10.128.0.0/16".to_owned()),
        ..pb::NetworkSpec::default()
    };
    let request = String::new();
    let created = control
        .create_network(pb::CreateNetworkRequest {
            request,
            spec: Some(spec),
        })
        .await;
    created.map(drop).context("network")
}

/// A service of one task with a virtual IP.
async fn create(mut control: ControlClient<Channel>, name: String) -> Result<()> {
    let mut spec = pb::ServiceSpec::from(model::ServiceSpec::new(name.parse()?, "busybox"));
    spec.networks = vec![pb::NetworkAttachment {
        network: "bench".to_owned(),
        aliases: Vec::new(),
    }];
    let request = String::new();
    let created = control
        .create_service(pb::CreateServiceRequest {
            request,
            spec: Some(spec),
        })
        .await;
    created.map(drop).with_context(|| format!("service {name}"))
}
