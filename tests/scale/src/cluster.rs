//! A cluster in memory, changed by log entries as a manager applies them.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use control::{Dirty, Moment, pass, plan_create_network, plan_create_service, plan_init};
use model::{
    Cluster as ClusterObject, ClusterId, ClusterSettings, DesiredState, Mode, NetworkAttachment, NetworkId,
    NetworkSpec, Node, NodeId, NodeState, RequestId, Role, ServiceId, ServiceSpec, TaskState, Timestamp,
};
use serde_json::json;
use store::{Command, Entry, Event, State, TaskOp};
use wire::pb;

/// When everything happens.
pub const NOW: Timestamp = Timestamp(1_000_000_000);

/// The network of all tasks: it has room for a million.
const NETWORK: NetworkId = NetworkId::from_bits(2);
const SUBNET: &str = "10.128.0.0/9";
/// Every so many-th node has the label that constrained services ask for.
const LABELLED: u32 = 5;

/// See the module.
#[derive(Clone)]
pub struct Cluster {
    pub state: State,
    ids: u128,
    dirty: Dirty,
}

/// Random-looking ids, the same in each run (splitmix64).
fn scattered(n: u128) -> u128 {
    let mix = |seed: u64| {
        let z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let seed = n as u64;
    (u128::from(mix(seed.wrapping_mul(2))) << 64) | u128::from(mix(seed.wrapping_mul(2) + 1))
}

impl Cluster {
    pub fn with_nodes(count: u32) -> Result<Self> {
        let mut cluster = Self {
            state: State::default(),
            ids: 1_000_000,
            dirty: Dirty::all(),
        };
        let init = plan_init(&cluster.state, cluster_object()?, node(1)?, NetworkId::from_bits(1))?;
        cluster.apply(init)?;
        for number in 2..=count {
            cluster.apply(Command::UpsertNode(Box::new(node(number)?)))?;
        }
        let spec = NetworkSpec {
            subnet: Some(SUBNET.parse()?),
            ..NetworkSpec::named("bench".parse()?)
        };
        let network = plan_create_network(&cluster.state, NETWORK, NOW, spec)?;
        cluster.apply(network)?;
        cluster.settle()?;
        Ok(cluster)
    }

    pub fn apply(&mut self, command: Command) -> Result<()> {
        let index = self.state.applied() + 1;
        let request = RequestId::from_bits(u128::from(index));
        let events = self.state.apply(index, Entry { request, command })?;
        events.iter().for_each(|event: &Event| self.dirty.note(event));
        Ok(())
    }

    pub fn services(&mut self, count: u32, replicas: u32, constrained: bool) -> Result<()> {
        for number in 0..count {
            let mut spec = ServiceSpec::new(
                format!("service-{number}").parse()?,
                "registry.example.com/team/web:1.2.3",
            );
            spec.mode = Mode::Replicated { replicas };
            spec.networks = vec![NetworkAttachment {
                network: NETWORK,
                aliases: Vec::new(),
            }];
            if constrained {
                spec.placement.constraints = vec!["node.labels.disk==ssd".parse()?];
            }
            let id = ServiceId::from_bits(scattered(u128::from(number)));
            let command = plan_create_service(&self.state, id, NOW, spec)?;
            self.apply(command)?;
        }
        Ok(())
    }

    /// Passes until nothing is left to decide.
    pub fn settle(&mut self) -> Result<()> {
        while self.pass()? {}
        Ok(())
    }

    /// One pass over what has changed, carried out; whether it decided anything.
    pub fn pass(&mut self) -> Result<bool> {
        let dirty = std::mem::take(&mut self.dirty);
        let ids = &mut self.ids;
        let mut fresh = || {
            *ids += 1;
            scattered(*ids)
        };
        let commands = pass(&self.state, &dirty, Moment::settled(NOW), &mut fresh);
        let decided = !commands.is_empty();
        commands.into_iter().try_for_each(|command| self.apply(command))?;
        Ok(decided)
    }

    /// Makes the tasks of `placed`, as they were before they had a node.
    pub fn create_pending(&mut self, placed: &Self) -> Result<()> {
        let unplaced = placed.state.tasks().cloned().map(|mut task| {
            task.node = None;
            task.status.state = TaskState::Pending;
            TaskOp::Create(Box::new(task))
        });
        self.apply(Command::Tasks(unplaced.collect()))
    }

    /// The first node is heard of no more; which it is.
    pub fn lose_a_node(&mut self) -> Result<NodeId> {
        let id = self.state.nodes().next().context("no node")?.id;
        self.apply(Command::NodeStatus {
            id,
            at: NOW,
            state: NodeState::Down,
            message: "heartbeat failure".to_owned(),
        })?;
        Ok(id)
    }

    /// Tasks that are wanted to run, on nodes that are up.
    pub fn in_place(&self) -> usize {
        let up = |id| {
            self.state
                .node(id)
                .is_some_and(|node| node.status.state == NodeState::Ready)
        };
        let wanted = self.state.tasks().filter(|task| task.desired == DesiredState::Running);
        wanted.filter(|task| task.node.is_some_and(up)).count()
    }

    pub fn count(&self, state: TaskState) -> usize {
        self.state.tasks().filter(|task| task.status.state == state).count()
    }
}

/// A ready worker.
fn node(number: u32) -> Result<Node> {
    let addr = IpAddr::from([172, 16 + (number >> 16) as u8, (number >> 8) as u8, number as u8]);
    let id = NodeId::from_bits(scattered(u128::from(number)));
    let Command::UpsertNode(mut node) = Command::join(id, NOW, Role::Worker, addr) else {
        bail!("a node does not join by an upsert");
    };
    if number.is_multiple_of(LABELLED) {
        node.spec.labels.insert("disk".to_owned(), "ssd".to_owned());
    }
    node.status.state = NodeState::Ready;
    let description = pb::NodeDescription {
        hostname: format!("node-{number}"),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        engine_version: "20.10".to_owned(),
        vtep: addr.to_string(),
        underlay_mtu: 1500,
        ..pb::NodeDescription::default()
    };
    node.description = Some(description.try_into()?);
    Ok(*node)
}

/// A cluster with default settings and without keys, as an old snapshot would have it: fields that came later have their
/// defaults.
fn cluster_object() -> Result<ClusterObject> {
    let secrets = json!({ "worker_token": "", "manager_token": "", "root_ca_key": "" });
    let cluster = json!({
        "id": ClusterId::from_bits(1),
        "version": 0,
        "created_at": Timestamp(0),
        "settings": ClusterSettings::default(),
        "root_ca": "",
        "secrets": secrets,
    });
    Ok(serde_json::from_value(cluster)?)
}
