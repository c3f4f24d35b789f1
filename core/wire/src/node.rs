//! Nodes: what is wished of them, what they say of themselves, how they are.

use prost::Message as _;

use model::{HeldPort, Node, NodeDescription, NodeSpec, NodeStatus};

use crate::{
    WireError, pb,
    scalar::{choice, labels, list, message, narrow, parse, parse_optional, port, times, to_labels, to_list, words},
};

/// Bytes of what a node says of its machine: the cluster keeps it. Ten thousand held ports are a third of that.
const MAX_DESCRIPTION_BYTES: usize = 1 << 20;

impl From<NodeSpec> for pb::NodeSpec {
    fn from(spec: NodeSpec) -> Self {
        Self {
            role: pb::Role::from(spec.role).into(),
            availability: pb::Availability::from(spec.availability).into(),
            labels: to_labels(spec.labels),
        }
    }
}

impl TryFrom<pb::NodeSpec> for NodeSpec {
    type Error = WireError;
    fn try_from(spec: pb::NodeSpec) -> Result<Self, WireError> {
        Ok(Self {
            role: choice::<pb::Role, _>("role", spec.role)?,
            availability: choice::<pb::Availability, _>("availability", spec.availability)?,
            labels: labels("labels", spec.labels)?,
        })
    }
}

impl From<HeldPort> for pb::HeldPort {
    fn from(held: HeldPort) -> Self {
        Self {
            port: held.port.into(),
            protocol: pb::Protocol::from(held.protocol).into(),
            holder: held.holder,
        }
    }
}

impl TryFrom<pb::HeldPort> for HeldPort {
    type Error = WireError;
    fn try_from(held: pb::HeldPort) -> Result<Self, WireError> {
        Ok(Self {
            port: port("port", held.port)?,
            protocol: choice::<pb::Protocol, _>("protocol", held.protocol)?,
            holder: held.holder,
        })
    }
}

impl From<NodeDescription> for pb::NodeDescription {
    fn from(description: NodeDescription) -> Self {
        let prefixes = description.taken_prefixes.iter();
        Self {
            hostname: description.hostname,
            os: description.os,
            arch: description.arch,
            engine_version: description.engine_version,
            engine_labels: to_labels(description.engine_labels),
            nano_cpus: description.nano_cpus,
            memory_bytes: description.memory_bytes,
            vtep: description.vtep.to_string(),
            underlay_mtu: description.underlay_mtu.into(),
            taken_prefixes: prefixes.map(ToString::to_string).collect(),
            held_ports: to_list(description.held_ports),
            engine_error: description.engine_error,
            generic_resources: to_list(description.generic_resources),
            plugins: description.plugins,
        }
    }
}

impl TryFrom<pb::NodeDescription> for NodeDescription {
    type Error = WireError;
    fn try_from(description: pb::NodeDescription) -> Result<Self, WireError> {
        let bytes = description.encoded_len();
        if bytes > MAX_DESCRIPTION_BYTES {
            let held = description.held_ports.len();
            let words = format_args!(
                "the description of node {:?} has {bytes} bytes ({held} held ports), at most {MAX_DESCRIPTION_BYTES} are taken",
                words(description.hostname)
            );
            return Err(WireError::new("", words));
        }
        let prefixes = description.taken_prefixes.iter();
        Ok(Self {
            hostname: description.hostname,
            os: description.os,
            arch: description.arch,
            engine_version: description.engine_version,
            engine_labels: labels("engine_labels", description.engine_labels)?,
            nano_cpus: description.nano_cpus,
            memory_bytes: description.memory_bytes,
            vtep: parse("vtep", &description.vtep)?,
            underlay_mtu: narrow("underlay_mtu", description.underlay_mtu)?,
            taken_prefixes: prefixes
                .map(|text| parse("taken_prefixes", text))
                .collect::<Result<_, _>>()?,
            held_ports: list("held_ports", description.held_ports)?,
            engine_error: description.engine_error,
            generic_resources: list("generic_resources", description.generic_resources)?,
            plugins: description.plugins,
        })
    }
}

impl From<NodeStatus> for pb::NodeStatus {
    fn from(status: NodeStatus) -> Self {
        Self {
            state: pb::NodeState::from(status.state).into(),
            message: status.message,
            addr: status.addr.to_string(),
        }
    }
}

impl TryFrom<pb::NodeStatus> for NodeStatus {
    type Error = WireError;
    fn try_from(status: pb::NodeStatus) -> Result<Self, WireError> {
        Ok(Self {
            state: choice::<pb::NodeState, _>("state", status.state)?,
            message: status.message,
            addr: parse("addr", &status.addr)?,
        })
    }
}

impl From<Node> for pb::Node {
    fn from(node: Node) -> Self {
        Self {
            id: node.id.to_string(),
            version: node.version,
            created_at: node.created_at.0,
            updated_at: node.updated_at.0,
            spec: Some(node.spec.into()),
            description: node.description.map(Into::into),
            status: Some(node.status.into()),
            manager_addr: node.manager_addr.map(|addr| addr.to_string()),
            raft_id: node.raft_id,
            tls: None,
            tls_current: None,
        }
    }
}

impl TryFrom<pb::Node> for Node {
    type Error = WireError;
    fn try_from(node: pb::Node) -> Result<Self, WireError> {
        let (created_at, updated_at) = times(node.created_at, node.updated_at);
        let description = node
            .description
            .map(|description| message("description", Some(description)));
        Ok(Self {
            id: parse("id", &node.id)?,
            version: node.version,
            created_at,
            updated_at,
            spec: message("spec", node.spec)?,
            description: description.transpose()?,
            status: message("status", node.status)?,
            manager_addr: parse_optional("manager_addr", node.manager_addr.as_deref())?,
            raft_id: node.raft_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(held: u32) -> pb::NodeDescription {
        let ports = (0..held).map(|number| pb::HeldPort {
            port: 1 + number % 65_535,
            protocol: pb::Protocol::Udp.into(),
            holder: "docker-proxy of container web".to_owned(),
        });
        pb::NodeDescription {
            vtep: "192.0.2.1".to_owned(),
            held_ports: ports.collect(),
            ..pb::NodeDescription::default()
        }
    }

    #[test]
    fn a_description_that_no_machine_has_is_refused() {
        assert_eq!(
            NodeDescription::try_from(description(10_000)).unwrap().held_ports.len(),
            10_000
        );
        let refused = NodeDescription::try_from(description(100_000)).unwrap_err().to_string();
        assert!(refused.contains("100000 held ports"), "{refused}");
    }
}
