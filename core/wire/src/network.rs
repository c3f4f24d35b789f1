//! Networks and the attachments of tasks to them.

use model::{Attachment, NameKind, Network, NetworkSpec};

use crate::{
    WireError, pb,
    scalar::{labels, message, name, narrow, parse, parse_optional, times, to_labels},
};

impl From<NetworkSpec> for pb::NetworkSpec {
    fn from(spec: NetworkSpec) -> Self {
        Self {
            name: spec.name.into(),
            labels: to_labels(spec.labels),
            internal: spec.internal,
            attachable: spec.attachable,
            ingress: spec.ingress,
            subnet: spec.subnet.map(|subnet| subnet.to_string()),
            gateway: spec.gateway.map(|gateway| gateway.to_string()),
        }
    }
}

impl TryFrom<pb::NetworkSpec> for NetworkSpec {
    type Error = WireError;
    fn try_from(spec: pb::NetworkSpec) -> Result<Self, WireError> {
        let spec = Self {
            name: name("name", NameKind::Network, &spec.name)?,
            labels: labels("labels", spec.labels)?,
            internal: spec.internal,
            attachable: spec.attachable,
            ingress: spec.ingress,
            subnet: parse_optional("subnet", spec.subnet.as_deref())?,
            gateway: parse_optional("gateway", spec.gateway.as_deref())?,
        };
        spec.validate().map_err(|reason| WireError::new("", reason))?;
        Ok(spec)
    }
}

impl From<Network> for pb::Network {
    fn from(network: Network) -> Self {
        Self {
            id: network.id.to_string(),
            version: network.version,
            created_at: network.created_at.0,
            updated_at: network.updated_at.0,
            spec: Some(network.spec.into()),
            vni: network.vni.get(),
            subnet: network.subnet.to_string(),
            gateway: network.gateway.to_string(),
        }
    }
}

impl TryFrom<pb::Network> for Network {
    type Error = WireError;
    fn try_from(network: pb::Network) -> Result<Self, WireError> {
        let (created_at, updated_at) = times(network.created_at, network.updated_at);
        Ok(Self {
            id: parse("id", &network.id)?,
            version: network.version,
            created_at,
            updated_at,
            spec: message("spec", network.spec)?,
            vni: narrow("vni", network.vni)?,
            subnet: parse("subnet", &network.subnet)?,
            gateway: parse("gateway", &network.gateway)?,
        })
    }
}

impl From<Attachment> for pb::Attachment {
    fn from(attachment: Attachment) -> Self {
        Self {
            network: attachment.network.to_string(),
            addr: attachment.addr.to_string(),
            aliases: attachment.aliases.into_iter().map(String::from).collect(),
        }
    }
}

impl TryFrom<pb::Attachment> for Attachment {
    type Error = WireError;
    fn try_from(attachment: pb::Attachment) -> Result<Self, WireError> {
        let aliases = attachment.aliases.iter().map(|alias| parse("aliases", alias));
        Ok(Self {
            network: parse("network", &attachment.network)?,
            addr: parse("addr", &attachment.addr)?,
            aliases: aliases.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{NetworkId, Timestamp};

    fn sample() -> Network {
        let mut spec = NetworkSpec::named("blue".parse().unwrap());
        spec.labels.insert("a".into(), "b".into());
        spec.internal = true;
        spec.subnet = Some("10.9.0.0/24".parse().unwrap());
        spec.gateway = Some("10.9.0.254".parse().unwrap());
        Network {
            id: NetworkId::from_bits(7),
            version: 3,
            created_at: Timestamp(1),
            updated_at: Timestamp(2),
            spec,
            vni: 4097.try_into().unwrap(),
            subnet: "10.9.0.0/24".parse().unwrap(),
            gateway: "10.9.0.254".parse().unwrap(),
        }
    }

    #[test]
    fn networks_round_trip() {
        assert_eq!(Network::try_from(pb::Network::from(sample())), Ok(sample()));
    }

    #[test]
    fn attachments_round_trip() {
        let attachment = Attachment {
            network: NetworkId::from_bits(7),
            addr: "10.9.0.3".parse().unwrap(),
            aliases: vec!["db".parse().unwrap()],
        };
        assert_eq!(
            Attachment::try_from(pb::Attachment::from(attachment.clone())),
            Ok(attachment)
        );
    }

    #[test]
    fn an_error_names_the_path_of_the_field() {
        let mut wire = pb::Network::from(sample());
        wire.spec.as_mut().unwrap().name = "-".into();
        assert_eq!(Network::try_from(wire).unwrap_err().field, "spec.name");
        let mut wire = pb::Network::from(sample());
        wire.vni = 1;
        assert_eq!(Network::try_from(wire).unwrap_err().field, "vni");
        let mut wire = pb::Network::from(sample());
        wire.spec = None;
        assert_eq!(Network::try_from(wire).unwrap_err().field, "spec");
    }
}
