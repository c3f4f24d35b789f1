//! Two nodes and a client on one underlay, and containers that are mere namespaces.

use std::net::{IpAddr, Ipv4Addr};

use agent::{
    datapath::DatapathPaths,
    network::{EndpointSpec, Network},
    reconcile::{self, NetHandle},
};
use anyhow::{Context, Result, anyhow};
use model::Mac;
use plan::tasks::CurrentView;
use tokio::runtime::Runtime;

use crate::{
    Bpffs, Cgroup, Cluster, Ns, Task,
    view::{network_id, vtep},
};

/// A host.
pub struct Node {
    /// Its namespace.
    pub ns: Ns,
    /// Where its socket hooks hang: its processes, as far as tests start any.
    pub cgroup: Cgroup,
    number: u8,
    bpffs: Bpffs,
    network: Option<NetHandle>,
}

/// The whole.
pub struct Lab {
    /// Nodes 1 and 2.
    pub nodes: [Node; 2],
    /// Outside of the cluster, at 192.168.7.9.
    pub client: Ns,
    /// What the managers hold.
    pub cluster: Cluster,
    switch: Ns,
    runtime: Runtime,
}

/// A namespace with the container's end of a pair as its `eth0`.
#[derive(Debug)]
pub struct Container {
    /// Its namespace.
    pub ns: Ns,
    /// Its task.
    pub task: Task,
}

/// The client's address.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 9);

impl Node {
    fn new(number: u8) -> Result<Self> {
        Ok(Self {
            ns: Ns::new()?,
            cgroup: Cgroup::new()?,
            number,
            bpffs: Bpffs::new()?,
            network: None,
        })
    }

    /// Starts its network half; what an earlier one has left is adopted.
    pub fn start(&mut self) -> Result<()> {
        let paths = DatapathPaths {
            bpffs: self.bpffs.path().join("netctl"),
            cgroup: Some(self.cgroup.path().to_owned()),
        };
        self.network = Some(self.ns.run(|| reconcile::start(paths))?);
        Ok(())
    }

    /// Ends it as a crash would: nothing is taken down.
    pub fn crash(&mut self) {
        self.network = None;
    }

    /// The way to its network.
    pub fn network(&self) -> Result<&NetHandle> {
        self.network
            .as_ref()
            .context("the node's network half has not been started")
    }

    /// Where its resolver listens.
    pub fn resolver(&self) -> Result<Ns> {
        let namespace = self.network()?.resolver();
        Ns::of(namespace.context("the node has no resolver")?.as_ref())
    }

    /// Where its pins are.
    pub fn pins(&self) -> std::path::PathBuf {
        self.bpffs.path().join("netctl/v1")
    }
}

impl Lab {
    /// Nodes joined by a switch, their network halves started, no view yet.
    pub fn new() -> Result<Self> {
        let mut lab = Self {
            nodes: [Node::new(1)?, Node::new(2)?],
            client: Ns::new()?,
            cluster: Cluster::default(),
            switch: Ns::new()?,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        };
        lab.switch.ip("link add name sw type bridge\nlink set dev sw up")?;
        lab.plug(&lab.client, CLIENT, "client")?;
        for node in &lab.nodes {
            lab.plug(&node.ns, vtep(node.number), &format!("node{}", node.number))?;
        }
        for node in &mut lab.nodes {
            node.start()?;
        }
        Ok(lab)
    }

    fn plug(&self, ns: &Ns, addr: Ipv4Addr, port: &str) -> Result<()> {
        self.switch.ip(&format!(
            "link add name {port} type veth peer name eth0 netns {}\nlink set dev {port} master sw up",
            ns.path()
        ))?;
        ns.ip(&format!("addr add {addr}/24 dev eth0\nlink set dev eth0 up"))
    }

    /// Gives every node its view of the cluster as it is now.
    pub fn reconcile(&mut self) -> Result<()> {
        self.cluster.seq += 1;
        for node in &self.nodes {
            self.reconcile_node(node)?;
        }
        Ok(())
    }

    /// Gives one node its view.
    pub fn reconcile_node(&self, node: &Node) -> Result<()> {
        let view = self.cluster.view(node.number);
        self.runtime
            .block_on(node.network()?.reconcile(CurrentView::from_managers(view)))
            .map_err(|error| anyhow!("{error}"))
    }

    /// Starts the container of a task: what engine and driver would do.
    pub fn start_container(&self, task: &Task) -> Result<Container> {
        let node = &self.nodes[usize::from(task.node) - 1];
        let view = self.cluster.view(task.node);
        let network = view
            .networks
            .iter()
            .find(|n| n.vni.get() == task.network)
            .context("no such network")?;
        let spec = EndpointSpec {
            task: task.id(),
            network: network_id(task.network),
            address: ipnet::IpNet::new(IpAddr::V4(task.addr), network.subnet.prefix_len())?,
            mac: Mac::of(IpAddr::V4(task.addr)),
            gateway: Some(network.gateway),
            device: "eth0".to_owned(),
        };
        let ns = Ns::new()?;
        let namespace = std::sync::Arc::new(std::fs::File::open(ns.path())?);
        let made = self.runtime.block_on(node.network()?.ensure_endpoint(spec, namespace));
        made.map_err(|error| anyhow!("{error}"))?;
        Ok(Container { ns, task: task.clone() })
    }

    /// Figures of a node.
    pub fn counts(&self, node: usize) -> Result<Vec<(String, u64)>> {
        self.runtime
            .block_on(self.nodes[node].network()?.counts())
            .map_err(|error| anyhow!("{error}"))
    }

    /// One figure of a node; 0 if it is not there.
    pub fn count(&self, node: usize, name: &str) -> Result<u64> {
        let counts = self.counts(node)?;
        Ok(counts.iter().find(|(n, _)| n == name).map_or(0, |(_, count)| *count))
    }

    /// Takes a node's network down.
    pub fn detach_all(&self, node: usize) -> Result<()> {
        self.runtime
            .block_on(self.nodes[node].network()?.detach_all())
            .map_err(|error| anyhow!("{error}"))
    }

    /// What to print when a test fails: the figures of both nodes.
    pub fn figures(&self) -> String {
        let of = |node| {
            self.counts(node)
                .map_or_else(|error| error.to_string(), |counts| format!("{counts:?}"))
        };
        format!("node 1: {}\nnode 2: {}", of(0), of(1))
    }
}
