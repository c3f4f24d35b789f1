//! Flow records, which the programs write: user space counts them and deletes those of endpoints that are gone.

use std::collections::BTreeSet;

use abi::{EndpointKey, Flow, FlowKey, map};
use aya::Ebpf;

use super::{DatapathError, maps::Rows};

/// The three tables of flows.
pub(super) struct FlowMaps {
    tables: [Rows<FlowKey, Flow>; 3],
}

/// Whether a record names one of the endpoints: as the sender of what comes in, or as the receiver of what goes out.
fn concerns(key: &FlowKey, flow: &Flow, endpoints: &BTreeSet<EndpointKey>) -> bool {
    let sender = EndpointKey {
        vni: key.scope,
        addr: key.tuple.src,
    };
    let receiver = EndpointKey {
        vni: flow.scope,
        addr: flow.to.dst,
    };
    endpoints.contains(&sender) || endpoints.contains(&receiver)
}

impl FlowMaps {
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, DatapathError> {
        Ok(Self {
            tables: [
                Rows::take(object, map::CT)?,
                Rows::take(object, map::REV)?,
                Rows::take(object, map::SNAT)?,
            ],
        })
    }

    /// Forgets the flows of these endpoints. The programs go on changing the tables meanwhile; a record that is missed
    /// does no harm, since a flow counts only while its backend is there.
    pub(super) fn purge(&mut self, endpoints: &BTreeSet<EndpointKey>) -> Result<(), DatapathError> {
        for table in &mut self.tables {
            let rows = table.all().unwrap_or_default();
            for (key, _) in rows.iter().filter(|(key, flow)| concerns(key, flow, endpoints)) {
                table.delete(key)?;
            }
        }
        Ok(())
    }

    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        self.tables.iter().map(Rows::count).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use abi::{Addr, Tuple};

    use super::*;

    fn addr(text: &str) -> Addr {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn both_sides_of_a_flow_count_and_other_networks_do_not() {
        let (client, task) = (addr("10.1.0.3"), addr("10.1.0.4"));
        let key = FlowKey {
            tuple: Tuple {
                src: client,
                ..Tuple::default()
            },
            scope: 4097,
            ..FlowKey::default()
        };
        let flow = Flow {
            to: Tuple {
                dst: task,
                ..Tuple::default()
            },
            scope: 4097,
            ..Flow::default()
        };
        let gone = |vni, addr| BTreeSet::from([EndpointKey { vni, addr }]);
        assert!(concerns(&key, &flow, &gone(4097, client)));
        assert!(concerns(&key, &flow, &gone(4097, task)));
        assert!(!concerns(&key, &flow, &gone(4098, task)));
    }
}
