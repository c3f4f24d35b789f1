//! One pass: gather the facts, plan, apply the steps in order. The owner of links and datapath.

use std::collections::BTreeMap;

use model::{NetworkId, NodeView, TaskId};
use plan::{
    network::{
        HOST_PEER_LINK, LocalFacts, OWN_LINKS, Op, Tables, desired, is_our_link, link_name, steps, steps_by_saved,
    },
    tasks::CurrentView,
};

use super::{Report, fail};
use crate::{
    datapath::{Counts, Datapath},
    link::{Furnishing, Inside, LinkTable, Links, OwnLinks, PairSpec},
    network::{EndpointSpec, Namespace, NetworkError},
};

/// How much of the machine a pass looks at anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Devices and addresses.
    Links,
    /// Also the host's listeners: a new view may name another port.
    View,
    /// Also our own links and the kernel's tables, against drift.
    Everything,
}

/// How often a pass plans anew while something does not fit: the old ring of a frontend makes room for the new one of
/// another, one round later.
const ROUNDS: u32 = 8;

/// Links and datapath, with what is known of them.
pub(super) struct Owner<L, D> {
    links: L,
    datapath: D,
    facts: LocalFacts,
    /// What the kernel has; `None` after a failure, to be read again.
    actual: Option<Tables>,
    own: Option<OwnLinks>,
    report: Report,
}

/// The end of a pair that goes into the container: as the host end, with another letter.
fn peer_name(host: &str) -> String {
    host.replacen("ntl", "ntc", 1)
}

impl<L: Links, D: Datapath> Owner<L, D> {
    pub(super) fn new(links: L, datapath: D, netns_cookie: u64) -> Self {
        Self {
            links,
            datapath,
            facts: LocalFacts {
                netns_cookie,
                ..LocalFacts::default()
            },
            actual: None,
            own: None,
            report: Report::default(),
        }
    }

    pub(super) fn report(&self) -> Report {
        self.report.clone()
    }

    /// Makes the kernel what the view says; one that the managers have not confirmed takes nothing away. A device that
    /// vanishes meanwhile is no failure; anything else that fails ends the pass, since later steps rest on earlier ones.
    pub(super) async fn pass(&mut self, current: &CurrentView, scope: Scope) -> Result<(), NetworkError> {
        let view = &current.view;
        self.gather(current, scope).await?;
        let plan = desired(view, &self.facts).map_err(fail)?;
        if scope == Scope::Everything {
            self.read_again()?;
        }
        for _ in 0..ROUNDS {
            let actual = match self.actual.take() {
                Some(actual) => actual,
                None => self.datapath.dump().map_err(fail)?,
            };
            let steps = match current.confirmed {
                true => steps(&actual, &plan),
                false => steps_by_saved(&actual, &plan, &self.facts),
            };
            self.report = Report {
                applied: None,
                held: plan.held.clone(),
                problems: steps.problems.iter().map(ToString::to_string).collect(),
            };
            if !steps.ops.is_empty() {
                tracing::debug!(steps = steps.ops.len(), seq = view.seq, "changing the datapath");
            }
            self.actual = Some(self.apply(actual, &steps.ops).await?);
            if steps.problems.is_empty() || steps.ops.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Compares what we believe with the kernel, and believes the kernel.
    fn read_again(&mut self) -> Result<(), NetworkError> {
        let found = self.datapath.dump().map_err(fail)?;
        if self.actual.as_ref().is_some_and(|believed| *believed != found) {
            tracing::warn!("somebody else has changed our maps or hooks; repairing them");
        }
        self.actual = Some(found);
        Ok(())
    }

    async fn gather(&mut self, current: &CurrentView, scope: Scope) -> Result<(), NetworkError> {
        let view = &current.view;
        let peer = view.peers.iter().find(|peer| peer.node == view.node);
        let own = peer.map(|peer| OwnLinks {
            data_port: view.data_port,
            vtep: peer.vtep,
            mtu: view.container_mtu,
        });
        let mut links = self.links.dump().await.map_err(fail)?;
        let stands =
            scope < Scope::Everything && self.own == own && OWN_LINKS.iter().all(|name| links.contains_key(*name));
        if let Some(own) = own.filter(|_| !stands) {
            // What fails half way is looked at again by any pass, not by the next sweep alone.
            self.own = None;
            self.links.ensure_own(&own).await.map_err(fail)?;
            self.own = Some(own);
            links = self.links.dump().await.map_err(fail)?;
        }
        self.facts.links = links;
        if scope > Scope::Links {
            let listeners = self.links.listeners();
            let listened = listeners.iter().map(|listener| (listener.port, listener.protocol));
            self.facts.held = listened.chain(current.held.iter().copied()).collect();
        }
        Ok(())
    }

    async fn apply(&mut self, mut actual: Tables, ops: &[Op]) -> Result<Tables, NetworkError> {
        for op in ops {
            let result = match op {
                Op::DeleteLink(name) => self.links.delete(name).await.map_err(fail),
                _ => match self.datapath.apply(op) {
                    Err(error) if error.is_about_a_device() => {
                        tracing::warn!(%error, "going on without this device");
                        self.report.problems.push(error.to_string());
                        continue;
                    }
                    result => result.map_err(fail),
                },
            };
            result?;
            actual.apply(op);
        }
        Ok(actual)
    }

    /// Makes the pair of an endpoint that the view has. Returns the name of the container's end.
    pub(super) async fn prepare_endpoint(
        &mut self,
        view: &NodeView,
        endpoint: &EndpointSpec,
    ) -> Result<String, NetworkError> {
        let mut known = view.endpoints.iter().filter(|e| e.node == view.node);
        if !known.any(|e| e.task == endpoint.task && e.network == endpoint.network) {
            let EndpointSpec { task, network, .. } = endpoint;
            return Err(fail(format!(
                "task {task} has no address in network {network} on this node"
            )));
        }
        let host = link_name(endpoint.task, endpoint.network);
        let pair = PairSpec {
            peer: peer_name(&host),
            host,
            mac: endpoint.mac,
            mtu: view.container_mtu,
        };
        self.links.ensure_pair(&pair).await.map_err(fail)?;
        Ok(pair.peer)
    }

    /// Whether packets of an endpoint would be served: its rows are written and its program hangs.
    pub(super) fn check_endpoint(&self, task: TaskId, network: NetworkId) -> Result<(), NetworkError> {
        let name = link_name(task, network);
        let served = self
            .facts
            .index(&name)
            .zip(self.actual.as_ref())
            .is_some_and(|(index, actual)| actual.ports.contains_key(&index) && actual.hooks.contains_key(&index));
        if served {
            return Ok(());
        }
        let why = self.report.problems.join("; ");
        Err(fail(format!("link {name} of task {task} could not be attached: {why}")))
    }

    /// Puts the container's end of a pair where it belongs.
    pub(super) async fn enter(
        &self,
        peer: &str,
        endpoint: &EndpointSpec,
        into: &Namespace,
    ) -> Result<Furnishing, NetworkError> {
        let inside = Inside {
            name: endpoint.device.clone(),
            address: endpoint.address,
            gateway: endpoint.gateway,
        };
        self.links.enter(peer, into, inside).await.map_err(fail)
    }

    /// The endpoint behind each local index.
    pub(super) fn dns_clients(&self, view: &NodeView) -> BTreeMap<u32, (TaskId, NetworkId)> {
        let Some(actual) = &self.actual else {
            return BTreeMap::new();
        };
        let local = view.endpoints.iter().filter(|e| e.node == view.node);
        local
            .filter_map(|e| {
                let ifindex = self.facts.index(&link_name(e.task, e.network))?;
                Some((actual.ports.get(&ifindex)?.index, (e.task, e.network)))
            })
            .collect()
    }

    /// Figures of the datapath, and our links by name.
    pub(super) async fn counts(&mut self) -> Result<Counts, NetworkError> {
        let mut counts = self.datapath.counts().map_err(fail)?;
        let links = self.links.dump().await.map_err(fail)?;
        counts.extend(our_links(&links).map(|name| (format!("link {name}"), 1)));
        Ok(counts)
    }

    /// Takes hooks, maps and links away.
    pub(super) async fn detach_all(&mut self) -> Result<(), NetworkError> {
        self.datapath.detach_all().map_err(fail)?;
        let links = self.links.dump().await.map_err(fail)?;
        for name in our_links(&links).filter(|name| **name != HOST_PEER_LINK) {
            self.links.delete(name).await.map_err(fail)?;
        }
        Ok(())
    }
}

fn our_links(links: &LinkTable) -> impl Iterator<Item = &String> {
    links.keys().filter(|name| is_our_link(name))
}

#[cfg(test)]
mod tests {
    use model::Protocol;
    use plan::network::HOST_LINK;

    use super::{
        super::tests::{endpoint, ip, namespace, spec, view},
        *,
    };
    use crate::{datapath::FakeDatapath, link::FakeLinks};

    #[tokio::test]
    async fn a_sweep_repairs_what_somebody_else_changed() {
        let links = FakeLinks::with_uplink("eth0", ip("192.0.2.1"));
        let mut owner = Owner::new(links, FakeDatapath::default(), 7);
        let view = view(1, vec![]);
        owner.pass(&view, Scope::View).await.unwrap();
        let before = owner.datapath.dump().unwrap();
        owner.datapath.apply(&Op::DeletePeer(ip("192.0.2.1").into())).unwrap();
        owner.pass(&view, Scope::Everything).await.unwrap();
        assert_eq!(owner.datapath.dump().unwrap(), before);
    }

    #[tokio::test]
    async fn a_port_that_the_engine_publishes_for_others_is_held_although_nobody_listens() {
        let links = FakeLinks::with_uplink("eth0", ip("192.0.2.1"));
        let mut owner = Owner::new(links, FakeDatapath::default(), 7);
        let mut view = view(1, vec![]);
        view.held.insert((8080, Protocol::Tcp));
        owner.pass(&view, Scope::View).await.unwrap();
        assert!(owner.facts.held.contains(&(8080, Protocol::Tcp)));
        view.held.clear();
        owner.pass(&view, Scope::View).await.unwrap();
        assert!(owner.facts.held.is_empty());
    }

    #[tokio::test]
    async fn a_link_of_our_own_that_somebody_deleted_is_made_again_when_links_change() {
        let mut owner = Owner::new(
            FakeLinks::with_uplink("eth0", ip("192.0.2.1")),
            FakeDatapath::default(),
            7,
        );
        let view = view(1, vec![]);
        owner.pass(&view, Scope::View).await.unwrap();
        owner.links.delete(HOST_LINK).await.unwrap();
        owner.pass(&view, Scope::Links).await.unwrap();
        assert!(owner.links.dump().await.unwrap().contains_key(HOST_LINK));
        assert!(owner.facts.index(HOST_LINK).is_some());
    }

    #[tokio::test]
    async fn one_end_of_a_pair_stays_and_the_other_one_goes_into_the_container() {
        let links = FakeLinks::with_uplink("eth0", ip("192.0.2.1"));
        let mut owner = Owner::new(links, FakeDatapath::default(), 7);
        let (view, spec) = (view(1, vec![endpoint()]).view, spec());
        let host = link_name(spec.task, spec.network);
        let peer = owner.prepare_endpoint(&view, &spec).await.unwrap();
        let both = owner.links.dump().await.unwrap();
        assert!(both.contains_key(&host) && both.contains_key(&peer));
        let furnished = owner.enter(&peer, &spec, &namespace()).await.unwrap();
        furnished.await.unwrap();
        let left = owner.links.dump().await.unwrap();
        assert!(left.contains_key(&host) && !left.contains_key(&peer));
    }
}
