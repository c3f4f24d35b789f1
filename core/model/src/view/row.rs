//! What the lists of a view have in common: rows with a key, in the order of their keys, each with a digest.

use std::fmt::Debug;

use super::{EndpointView, NetworkView, PayloadView, PeerView, ServiceView, digest::Digest};
use crate::{NetworkId, NodeId, PayloadId, PublishedPort, RestartPolicy, ServiceId, Task, TaskId};

/// A row of a list in a view. Lists are in the order of their keys, each key once.
pub trait Row: Clone + Debug + PartialEq {
    /// What tells rows of a list apart.
    type Key: Copy + Debug + Ord;

    /// Its key.
    fn key(&self) -> Self::Key;

    /// 64 bits that differ if the row does; equal on every machine.
    fn digest(&self) -> u64;
}

impl Row for PeerView {
    type Key = NodeId;

    fn key(&self) -> NodeId {
        self.node
    }

    fn digest(&self) -> u64 {
        let digest = Digest::new(1).id(self.node.bits()).text(&self.hostname);
        digest.addr(self.vtep).finish()
    }
}

impl Row for NetworkView {
    type Key = NetworkId;

    fn key(&self) -> NetworkId {
        self.id
    }

    fn digest(&self) -> u64 {
        let digest = Digest::new(2).id(self.id.bits()).text(self.name.as_str());
        let digest = digest.number(u64::from(self.vni.get())).addr(self.subnet.addr());
        let digest = digest.number(u64::from(self.subnet.prefix_len())).addr(self.gateway);
        digest.flag(self.internal).flag(self.ingress).finish()
    }
}

/// A task changes with its version only, which all managers agree on.
impl Row for Task {
    type Key = TaskId;

    fn key(&self) -> TaskId {
        self.id
    }

    fn digest(&self) -> u64 {
        Digest::new(3).id(self.id.bits()).number(self.version).finish()
    }
}

/// Its spec version is as its task says it, for good.
impl Row for EndpointView {
    type Key = (NetworkId, TaskId);

    fn key(&self) -> (NetworkId, TaskId) {
        (self.network, self.task)
    }

    fn digest(&self) -> u64 {
        let digest = Digest::new(4).id(self.task.bits()).id(self.service.bits());
        let digest = digest.number(u64::from(self.slot.get())).id(self.network.bits());
        let digest = digest.addr(self.addr).id(self.node.bits());
        digest.flag(self.gateway).flag(self.serving).finish()
    }
}

impl Row for ServiceView {
    type Key = ServiceId;

    fn key(&self) -> ServiceId {
        self.id
    }

    fn digest(&self) -> u64 {
        let digest = Digest::new(5).id(self.id.bits()).text(self.name.as_str());
        let digest = digest.number(self.vips.len() as u64);
        let vips = self.vips.iter();
        let digest = vips.fold(digest, |d, vip| d.id(vip.network.bits()).addr(vip.addr));
        let digest = digest.number(self.aliases.len() as u64);
        let aliases = self.aliases.iter();
        let digest = aliases.fold(digest, |d, (network, name)| d.id(network.bits()).text(name.as_str()));
        let digest = ports(digest, &self.ports);
        let digest = digest.number(self.earlier_ports.len() as u64);
        let earlier = self.earlier_ports.iter();
        let digest = earlier.fold(digest, |d, earlier| {
            ports(d.number(earlier.spec_version), &earlier.ports)
        });
        let digest = restart(digest.flag(self.restart.is_some()), self.restart.as_ref());
        // Nothing when there is none: it comes last, so nothing else can be taken for it.
        let canary = self.canary.iter();
        let digest = canary.fold(digest, |d, canary| {
            d.number(u64::from(canary.share.parts_per_million()))
                .number(canary.first)
        });
        digest.finish()
    }
}

fn ports(digest: Digest, ports: &[PublishedPort]) -> Digest {
    let digest = digest.number(ports.len() as u64);
    ports.iter().fold(digest, |d, port| {
        let numbers = d.number(u64::from(port.published)).number(u64::from(port.target));
        numbers.number(port.protocol as u64).number(port.mode as u64)
    })
}

/// It acts on tasks that run already, none of which changes with it.
fn restart(digest: Digest, policy: Option<&RestartPolicy>) -> Digest {
    policy.into_iter().fold(digest, |d, policy| {
        let d = d.number(policy.condition as u64).span(policy.delay);
        d.number(u64::from(policy.max_attempts)).span(policy.window)
    })
}

/// A payload never changes: its id says all.
impl Row for PayloadView {
    type Key = PayloadId;

    fn key(&self) -> PayloadId {
        self.id
    }

    fn digest(&self) -> u64 {
        Digest::new(6).id(self.id.bits()).finish()
    }
}
