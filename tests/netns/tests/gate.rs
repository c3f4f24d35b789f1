//! The gate of containers, mounted for real: who comes from a network namespace of its own waits for its endpoints there.

use std::{collections::BTreeMap, fs, io::ErrorKind, net::IpAddr, path::PathBuf, sync::Arc};

use agent::{
    gate::{Gate, Papers},
    network::{Network, fake::FakeNetwork},
};
use anyhow::{Context, Result, ensure};
use model::{ContainerSpec, Mac, NetworkId, TaskId};
use netns::Ns;
use plan::container::{ContainerRequest, EndpointRequest};

const TASK: TaskId = TaskId::from_bits(7);

/// A container with endpoints in two networks.
fn request() -> Result<ContainerRequest> {
    let endpoint = |number: u8| -> Result<EndpointRequest> {
        let addr = IpAddr::from([10, number, 0, 5]);
        Ok(EndpointRequest {
            network: NetworkId::from_bits(number.into()),
            address: ipnet::IpNet::new(addr, 24)?,
            mac: Mac::of(addr),
            gateway: None,
        })
    };
    Ok(ContainerRequest {
        task: TASK,
        name: "web.1".to_owned(),
        labels: BTreeMap::new(),
        spec: ContainerSpec::of("nginx"),
        files: Vec::new(),
        endpoints: vec![endpoint(1)?, endpoint(2)?],
    })
}

struct Bench {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    papers: Papers,
    network: Arc<FakeNetwork>,
}

impl Bench {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self {
            papers: Papers::new(folder.path()),
            folder,
            runtime: tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
            network: Arc::new(FakeNetwork::default()),
        })
    }

    fn open(&self) -> Result<Gate> {
        let _within = self.runtime.enter();
        let network: Arc<dyn Network> = self.network.clone();
        Gate::open(self.papers.clone(), network).context("these tests mount /dev/fuse: run them as root")
    }

    fn link(&self) -> PathBuf {
        self.folder.path().join("gate").join(TASK.to_string())
    }
}

#[test]
fn endpoints_are_there_when_a_container_has_read_its_link_and_the_host_waits_for_none() -> Result<()> {
    let bench = Bench::new()?;
    let gate = bench.open()?;
    let unknown = fs::read_link(bench.link());
    ensure!(unknown.is_err_and(|error| error.kind() == ErrorKind::NotFound));
    let mounts = bench.papers.write(&request()?)?;
    let text = fs::read_to_string(&mounts[0].source)?;
    ensure!(text.starts_with("nameserver 169.254.63.53\n"), "{text}");
    ensure!(bench.network.endpoints().is_empty(), "the engine only looks");
    let (first, second) = (Ns::new()?, Ns::new()?);
    for container in [&first, &second, &first] {
        let read = container.run(|| fs::read_to_string(&mounts[0].source))?;
        ensure!(read == text);
        ensure!(bench.network.endpoints().len() == 2);
    }
    let devices: Vec<String> = bench.network.endpoints().into_iter().map(|e| e.device).collect();
    ensure!(devices == ["eth0", "eth1"], "{devices:?}");
    drop(gate);
    ensure!(
        fs::read_link(bench.link()).is_err(),
        "nobody passes a gate that is gone"
    );
    bench.papers.close()?;
    ensure!(fs::read_dir(bench.folder.path())?.next().is_none());
    Ok(())
}

#[test]
fn a_container_whose_endpoints_cannot_be_made_does_not_pass_and_the_reason_is_kept() -> Result<()> {
    let bench = Bench::new()?;
    let _gate = bench.open()?;
    let mounts = bench.papers.write(&request()?)?;
    let container = Ns::new()?;
    bench.network.refuse(Some("map PORT is full"));
    ensure!(container.run(|| fs::read(&mounts[0].source)).is_err());
    ensure!(bench.papers.refusal(TASK).as_deref() == Some("map PORT is full"));
    bench.network.refuse(None);
    container.run(|| fs::read(&mounts[0].source))?;
    ensure!(bench.papers.refusal(TASK).is_none());
    Ok(())
}

#[test]
fn a_gate_that_a_killed_daemon_has_left_is_taken_away_by_the_next_one() -> Result<()> {
    let bench = Bench::new()?;
    bench.papers.write(&request()?)?;
    std::mem::forget(bench.open()?);
    let gate = bench.open()?;
    let read = Ns::new()?.run(|| fs::read_link(bench.link()))?;
    ensure!(read.ends_with(TASK.to_string()), "{}", read.display());
    drop(gate);
    ensure!(fs::read_link(bench.link()).is_err(), "nothing of the first one is left");
    Ok(())
}
