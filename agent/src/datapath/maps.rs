//! The maps that the agent writes, typed.

use std::{collections::BTreeMap, io};

use abi::{
    Addr, Backend, Config, DnsClient, Endpoint, EndpointKey, Frontend, FrontendKey, HostAddrFlags, PeerFlags, Port, map,
};
use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, Map, MapData, MapError},
    sys::SyscallError,
};
use plan::network::{Op, Tables};

use super::{DatapathError, ring::Ring};

/// A hash map with its name.
pub(super) struct Rows<K: Pod, V: Pod> {
    name: &'static str,
    map: HashMap<MapData, K, V>,
}

fn failed(map: &'static str, error: MapError) -> DatapathError {
    if let MapError::SyscallError(SyscallError { io_error, .. }) = &error
        && io_error.raw_os_error() == Some(libc::E2BIG)
    {
        return DatapathError::Full { map };
    }
    DatapathError::Map {
        map,
        reason: std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    }
}

fn is_missing(error: &MapError) -> bool {
    match error {
        MapError::KeyNotFound | MapError::ElementNotFound => true,
        MapError::SyscallError(SyscallError { io_error, .. }) => io_error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Takes a map out of a loaded object.
pub(super) fn take(object: &mut Ebpf, name: &'static str) -> Result<Map, DatapathError> {
    object.take_map(name).ok_or_else(|| DatapathError::Map {
        map: name,
        reason: "the BPF object has no such map: run `cargo xtask build-ebpf`".to_owned(),
    })
}

impl<K: Pod + Ord, V: Pod> Rows<K, V> {
    pub(super) fn take(object: &mut Ebpf, name: &'static str) -> Result<Self, DatapathError> {
        let map = HashMap::try_from(take(object, name)?).map_err(|error| failed(name, error))?;
        Ok(Self { name, map })
    }

    fn put(&mut self, key: K, value: V) -> Result<(), DatapathError> {
        self.map.insert(key, value, 0).map_err(|error| failed(self.name, error))
    }

    pub(super) fn delete(&mut self, key: &K) -> Result<(), DatapathError> {
        match self.map.remove(key) {
            Err(error) if !is_missing(&error) => Err(failed(self.name, error)),
            _ => Ok(()),
        }
    }

    pub(super) fn all(&self) -> Result<BTreeMap<K, V>, DatapathError> {
        let rows: Result<_, _> = self.map.iter().collect();
        rows.map_err(|error| failed(self.name, error))
    }

    /// Name and number of rows.
    pub(super) fn count(&self) -> (String, u64) {
        (format!("map {}", self.name), self.map.keys().flatten().count() as u64)
    }
}

/// Everything that desired state becomes.
pub(super) struct AgentMaps {
    config: Array<MapData, Config>,
    host_addrs: Rows<Addr, HostAddrFlags>,
    peers: Rows<Addr, PeerFlags>,
    ports: Rows<u32, Port>,
    endpoints: Rows<EndpointKey, Endpoint>,
    dns_clients: Array<MapData, DnsClient>,
    /// Rows of `dns_clients` in use: found once, then kept, since the array is long and mostly empty.
    dns_in_use: BTreeMap<u32, DnsClient>,
    backends: Rows<u32, Backend>,
    ring: Ring,
    frontends: Rows<FrontendKey, Frontend>,
}

impl AgentMaps {
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, DatapathError> {
        let config = Array::try_from(take(object, map::CONFIG)?).map_err(|error| failed(map::CONFIG, error))?;
        let dns_clients: Array<MapData, DnsClient> =
            Array::try_from(take(object, map::DNS_CLIENT)?).map_err(|error| failed(map::DNS_CLIENT, error))?;
        let ring = match take(object, map::RING)? {
            Map::Array(data) => Ring::open(data)?,
            _ => {
                return Err(DatapathError::Map {
                    map: map::RING,
                    reason: "is not an array".to_owned(),
                });
            }
        };
        let in_use = dns_clients
            .iter()
            .enumerate()
            .filter_map(|(index, row)| Some((index as u32, row.ok()?)));
        Ok(Self {
            config,
            host_addrs: Rows::take(object, map::HOST_ADDR)?,
            peers: Rows::take(object, map::PEER)?,
            ports: Rows::take(object, map::PORT)?,
            endpoints: Rows::take(object, map::ENDPOINT)?,
            dns_in_use: in_use.filter(|(_, row)| row.ifindex != 0).collect(),
            dns_clients,
            backends: Rows::take(object, map::BACKEND)?,
            ring,
            frontends: Rows::take(object, map::FRONTEND)?,
        })
    }

    /// All rows; hooks are not of this module.
    pub(super) fn dump(&self) -> Result<Tables, DatapathError> {
        let config = self.config.get(&0, 0).map_err(|error| failed(map::CONFIG, error))?;
        let mut tables = Tables {
            config: Some(config).filter(|config| config.abi_version != 0),
            host_addrs: self.host_addrs.all()?.into_keys().collect(),
            peers: self.peers.all()?.into_keys().collect(),
            ports: self.ports.all()?,
            endpoints: self.endpoints.all()?,
            dns_clients: self.dns_in_use.clone(),
            backends: self.backends.all()?,
            frontends: self.frontends.all()?,
            ..Tables::default()
        };
        for row in tables.frontends.values().filter(|row| row.ring_slots > 0) {
            if let Ok(slots) = self.ring.read(row.ring_base, row.ring_slots) {
                tables.rings.insert(row.ring_base, slots);
            }
        }
        Ok(tables)
    }

    /// Does a step if it is one of these maps'; tells whether it was.
    pub(super) fn apply(&mut self, op: &Op) -> Result<bool, DatapathError> {
        match op {
            Op::SetConfig(row) => self.config.set(0, *row, 0).map_err(|error| failed(map::CONFIG, error)),
            Op::PutHostAddr(addr) => self.host_addrs.put(*addr, 0),
            Op::DeleteHostAddr(addr) => self.host_addrs.delete(addr),
            Op::PutPeer(addr) => self.peers.put(*addr, 0),
            Op::DeletePeer(addr) => self.peers.delete(addr),
            Op::PutPort(ifindex, row) => self.ports.put(*ifindex, *row),
            Op::DeletePort(ifindex) => self.ports.delete(ifindex),
            Op::PutEndpoint(key, row) => self.endpoints.put(*key, *row),
            Op::DeleteEndpoint(key) => self.endpoints.delete(key),
            Op::PutDnsClient(index, row) => self.set_dns_client(*index, Some(*row)),
            Op::DeleteDnsClient(index) => self.set_dns_client(*index, None),
            Op::PutBackend(id, row) => self.backends.put(*id, *row),
            Op::DeleteBackend(id) => self.backends.delete(id),
            Op::WriteRing { base, slots } => self.ring.write(*base, slots),
            Op::PutFrontend(key, row) => self.frontends.put(*key, *row),
            Op::DeleteFrontend(key) => self.frontends.delete(key),
            Op::Attach { .. } | Op::Detach { .. } | Op::PurgeFlows(_) | Op::DeleteLink(_) => return Ok(false),
        }?;
        Ok(true)
    }

    fn set_dns_client(&mut self, index: u32, row: Option<DnsClient>) -> Result<(), DatapathError> {
        let result = self.dns_clients.set(index, row.unwrap_or_default(), 0);
        result.map_err(|error| failed(map::DNS_CLIENT, error))?;
        match row {
            Some(row) => self.dns_in_use.insert(index, row),
            None => self.dns_in_use.remove(&index),
        };
        Ok(())
    }

    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        let dns_clients = (format!("map {}", map::DNS_CLIENT), self.dns_in_use.len() as u64);
        vec![
            self.host_addrs.count(),
            self.peers.count(),
            self.ports.count(),
            self.endpoints.count(),
            dns_clients,
            self.backends.count(),
            self.frontends.count(),
        ]
    }
}
