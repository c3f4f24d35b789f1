//! Links in memory, for tests of the network actor without privileges.

use std::{cell::RefCell, collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use plan::network::{Link, OWN_LINKS};

use super::{Furnishing, Inside, LinkError, LinkTable, Links, Listener, OwnLinks, PairSpec};
use crate::network::Namespace;

/// A namespace that exists only in memory.
#[derive(Debug, Default)]
pub struct FakeLinks {
    table: RefCell<LinkTable>,
}

impl FakeLinks {
    /// A host with one addressed device.
    pub fn with_uplink(name: &str, addr: IpAddr) -> Self {
        let fake = Self::default();
        fake.add(name, vec![addr], None);
        fake
    }

    fn add(&self, name: &str, addrs: Vec<IpAddr>, peer_netns: Option<u32>) {
        let mut table = self.table.borrow_mut();
        let index = table.values().map(|link| link.index).max().unwrap_or(0) + 1;
        let link = Link {
            index,
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            up: true,
            ethernet: true,
            addrs,
            peer_netns,
        };
        table.entry(name.to_owned()).or_insert(link);
    }
}

impl Links for FakeLinks {
    async fn dump(&self) -> Result<BTreeMap<String, Link>, LinkError> {
        Ok(self.table.borrow().clone())
    }

    /// As the kernel, which takes no route from an address that the host has not.
    async fn ensure_own(&self, own: &OwnLinks) -> Result<(), LinkError> {
        if !self.table.borrow().values().any(|link| link.addrs.contains(&own.vtep)) {
            return Err(LinkError::Refused {
                action: format!("route from {}", own.vtep),
                reason: "Invalid argument".to_owned(),
            });
        }
        for name in OWN_LINKS {
            self.add(name, Vec::new(), None);
        }
        Ok(())
    }

    async fn ensure_pair(&self, pair: &PairSpec) -> Result<(), LinkError> {
        self.add(&pair.host, Vec::new(), None);
        self.add(&pair.peer, Vec::new(), None);
        Ok(())
    }

    async fn enter(&self, link: &str, _: &Namespace, _: Inside) -> Result<Furnishing, LinkError> {
        self.delete(link).await?;
        Ok(Box::pin(async { Ok(()) }))
    }

    async fn delete(&self, name: &str) -> Result<(), LinkError> {
        self.table.borrow_mut().remove(name);
        Ok(())
    }

    async fn prefixes(&self) -> Result<Vec<IpNet>, LinkError> {
        Ok(Vec::new())
    }

    fn listeners(&self) -> Vec<Listener> {
        Vec::new()
    }
}
