//! A datapath in memory with the kernel's limits, for tests of the network actor without privileges.

use abi::map;
use plan::network::{Op, Tables};

use super::{Counts, Datapath, DatapathError};

/// Tables that no packet sees.
#[derive(Debug, Default)]
pub struct FakeDatapath {
    tables: Tables,
}

impl FakeDatapath {
    fn full_map(&self, op: &Op) -> Option<&'static str> {
        let t = &self.tables;
        let (map, size, known, max) = match op {
            Op::PutHostAddr(addr) => (
                map::HOST_ADDR,
                t.host_addrs.len(),
                t.host_addrs.contains(addr),
                abi::HOST_ADDR_MAX,
            ),
            Op::PutPeer(addr) => (map::PEER, t.peers.len(), t.peers.contains(addr), abi::PEER_MAX),
            Op::PutPort(key, _) => (map::PORT, t.ports.len(), t.ports.contains_key(key), abi::PORT_MAX),
            Op::PutEndpoint(key, _) => (
                map::ENDPOINT,
                t.endpoints.len(),
                t.endpoints.contains_key(key),
                abi::ENDPOINT_MAX,
            ),
            Op::PutBackend(key, _) => (
                map::BACKEND,
                t.backends.len(),
                t.backends.contains_key(key),
                abi::BACKEND_MAX,
            ),
            Op::PutFrontend(key, _) => (
                map::FRONTEND,
                t.frontends.len(),
                t.frontends.contains_key(key),
                abi::FRONTEND_MAX,
            ),
            _ => return None,
        };
        (!known && size >= max as usize).then_some(map)
    }
}

impl Datapath for FakeDatapath {
    fn dump(&mut self) -> Result<Tables, DatapathError> {
        let mut tables = self.tables.clone();
        let used: Vec<u32> = tables.frontends.values().map(|row| row.ring_base).collect();
        tables.rings.retain(|base, _| used.contains(base));
        Ok(tables)
    }

    fn apply(&mut self, op: &Op) -> Result<(), DatapathError> {
        if let Some(map) = self.full_map(op) {
            return Err(DatapathError::Full { map });
        }
        if let Op::WriteRing { base, slots } = op
            && *base as usize + slots.len() > abi::RING_MAX as usize
        {
            return Err(DatapathError::Map {
                map: map::RING,
                reason: "outside of the array".to_owned(),
            });
        }
        self.tables.apply(op);
        Ok(())
    }

    fn counts(&mut self) -> Result<Counts, DatapathError> {
        let t = &self.tables;
        let rows = [
            (map::HOST_ADDR, t.host_addrs.len()),
            (map::PEER, t.peers.len()),
            (map::PORT, t.ports.len()),
            (map::ENDPOINT, t.endpoints.len()),
            (map::BACKEND, t.backends.len()),
            (map::FRONTEND, t.frontends.len()),
        ];
        Ok(rows.map(|(map, rows)| (format!("map {map}"), rows as u64)).into())
    }

    fn detach_all(&mut self) -> Result<(), DatapathError> {
        self.tables = Tables::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn the_fake_has_the_limits_of_the_kernel() {
        let mut fake = FakeDatapath::default();
        for number in 0..abi::HOST_ADDR_MAX {
            fake.apply(&Op::PutHostAddr(IpAddr::from(number.to_be_bytes()).into()))
                .unwrap();
        }
        let error = fake
            .apply(&Op::PutHostAddr(IpAddr::from([192, 0, 2, 1]).into()))
            .unwrap_err();
        assert!(error.to_string().contains("HOST_ADDR is full"), "{error}");
    }
}
