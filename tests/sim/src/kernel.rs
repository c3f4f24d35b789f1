//! The kernel of a machine: links and map rows. Written by the real plan, step by step; sometimes the agent dies in
//! between, and what is there by then has to be sound. Outlives the agent, not a reboot.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use model::{NodeView, TaskId};
use plan::{
    container::ContainerState,
    network::{Link, LocalFacts, OWN_LINKS, Op, Tables, desired, link_name, steps, steps_by_saved},
    tasks::CurrentView,
};

use crate::check::Checked;

/// Backends by scope (a VNI, or 0 for published ports), virtual IP, port and protocol.
pub type Frontends = BTreeMap<(u32, Option<IpAddr>, u16, u8), BTreeSet<IpAddr>>;

/// See the module.
#[derive(Debug, Default)]
pub struct Kernel {
    tables: Tables,
    /// Interface indexes of links by name; never given twice.
    indexes: BTreeMap<String, u32>,
}

impl Kernel {
    /// Brings the rows in line with the view, or dies after `survives` steps.
    pub fn reconcile(
        &mut self,
        CurrentView { view, confirmed, .. }: &CurrentView,
        engine: &BTreeMap<TaskId, ContainerState>,
        survives: usize,
    ) -> Checked {
        let facts = self.facts(view, engine);
        let Ok(wanted) = desired(view, &facts) else {
            return Ok(());
        };
        let planned = |tables: &Tables| match confirmed {
            true => steps(tables, &wanted),
            false => steps_by_saved(tables, &wanted, &facts),
        };
        let plan = planned(&self.tables);
        if let Some(problem) = plan.problems.first() {
            return Err(problem.to_string());
        }
        let cut = plan.ops.len() > survives;
        for op in plan.ops.iter().take(survives) {
            self.tables.apply(op);
            self.sound().map_err(|why| format!("after {}: {why}", name(op)))?;
        }
        if !cut {
            self.apart()?;
        }
        let left = planned(&self.tables).ops;
        let only_links = left.iter().all(|op| matches!(op, Op::DeleteLink(_)));
        if cut || only_links {
            Ok(())
        } else {
            Err(format!("a plan carried out leaves {}", name(&left[0])))
        }
    }

    fn facts(&mut self, view: &NodeView, engine: &BTreeMap<TaskId, ContainerState>) -> LocalFacts {
        let mut names: Vec<_> = OWN_LINKS.map(|name| (name.to_owned(), None)).into();
        let own = view.peers.iter().find(|peer| peer.node == view.node);
        names.push(("eth0".to_owned(), own.map(|peer| peer.vtep)));
        for task in view.tasks.iter().filter(|task| engine.contains_key(&task.id)) {
            names.extend(task.attachments.iter().map(|a| (link_name(task.id, a.network), None)));
        }
        let links = names
            .into_iter()
            .map(|(name, addr)| (name.clone(), self.link(name, addr)));
        LocalFacts {
            links: links.collect(),
            netns_cookie: 1,
            held: BTreeSet::new(),
        }
    }

    fn link(&mut self, name: String, addr: Option<IpAddr>) -> Link {
        let fresh = self.indexes.len() as u32 + 1;
        let index = *self.indexes.entry(name).or_insert(fresh);
        Link {
            index,
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            up: true,
            ethernet: true,
            addrs: addr.into_iter().collect(),
            peer_netns: Some(index),
        }
    }

    /// No frontend leads to a backend that is not there.
    fn sound(&self) -> Checked {
        for (key, frontend) in &self.tables.frontends {
            let ring = self.tables.ring(frontend);
            if ring.len() != frontend.ring_slots as usize {
                return Err(format!("frontend {key:?} has another ring than it says"));
            }
            let missing = |slot: &&abi::Slot| slot.owner != 0 && !self.tables.backends.contains_key(&slot.owner);
            if let Some(slot) = ring.iter().find(missing) {
                return Err(format!(
                    "frontend {key:?} leads to backend {}, which is not there",
                    slot.owner
                ));
            }
        }
        Ok(())
    }

    /// Two links do not have one address. While a plan is carried out that of a container that has ended may still be
    /// there when the next one gets its address.
    fn apart(&self) -> Checked {
        let mut held = BTreeSet::new();
        for port in self.tables.ports.values() {
            if !held.insert((port.vni, port.addr)) {
                return Err(format!("two links have {}", IpAddr::from(port.addr)));
            }
        }
        Ok(())
    }

    /// Where new flows of each frontend go; frontends that lead nowhere are left out.
    pub fn backends(&self) -> Frontends {
        let mut all = Frontends::new();
        for (key, frontend) in &self.tables.frontends {
            let addr = (key.scope != abi::SCOPE_PUBLISHED).then(|| IpAddr::from(key.addr));
            for slot in self.tables.ring(frontend) {
                if let Some(row) = self.tables.backends.get(&slot.owner) {
                    let key = (key.scope, addr, key.port.get(), key.proto);
                    all.entry(key).or_default().insert(IpAddr::from(row.addr));
                }
            }
        }
        all
    }
}

fn name(op: &Op) -> String {
    format!("{op:?}").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_links_with_one_address_are_found() {
        let mut kernel = Kernel::default();
        kernel.tables.ports.insert(1, abi::Port::default());
        assert_eq!(kernel.apart(), Ok(()));
        kernel.tables.ports.insert(2, abi::Port::default());
        assert!(kernel.apart().unwrap_err().contains("two links have"));
    }
}
