//! Networks: what was asked for, what the allocator gave, and an attachment of a task to one.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Invalid, Name, NetworkId, Timestamp};

/// First VNI that networks get (as Swarm); the ingress network has it.
pub const VNI_FIRST: u32 = 4096;
/// Last VNI that networks get; those above are reserved for the ingress mesh.
pub const VNI_LAST: u32 = 0x00ff_ffef;
/// Carries a client's packet from the ingress node towards the backend's node.
pub const MESH_REQUEST_VNI: u32 = 0x00ff_fff0;
/// Carries a reply from the backend's node back to the ingress node.
pub const MESH_REPLY_VNI: u32 = 0x00ff_fff1;

/// VXLAN network identifier of a network (RFC 7348: 24 bits), within [`VNI_FIRST`]..=[`VNI_LAST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(u32);

impl Vni {
    /// The number on the wire, host order.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Vni {
    type Error = Invalid;
    fn try_from(number: u32) -> Result<Self, Invalid> {
        if (VNI_FIRST..=VNI_LAST).contains(&number) {
            Ok(Self(number))
        } else {
            Err(Invalid::Vni(number))
        }
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> u32 {
        vni.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address that an endpoint with this IP address has in every network: locally administered, derived, so that
    /// nobody has to store or learn it. IPv4: `02:42` and the four bytes, as Docker does; IPv6: the last four.
    pub fn of(addr: IpAddr) -> Self {
        let [a, b, c, d] = match addr {
            IpAddr::V4(v4) => v4.octets(),
            IpAddr::V6(v6) => {
                let o = v6.octets();
                [o[12], o[13], o[14], o[15]]
            }
        };
        Self([0x02, 0x42, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut bytes = [0u8; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2);
            *byte = part
                .and_then(|p| u8::from_str_radix(p, 16).ok())
                .ok_or_else(|| Invalid::Mac(text.to_owned()))?;
        }
        if parts.next().is_some() {
            Err(Invalid::Mac(text.to_owned()))
        } else {
            Ok(Self(bytes))
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

/// What a user asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Unique among networks.
    pub name: Name,
    /// User labels.
    pub labels: BTreeMap<String, String>,
    /// No way to the outside, and no forwarding of names.
    pub internal: bool,
    /// Containers started by hand may join.
    pub attachable: bool,
    /// The one network of published services that name no network of their own.
    pub ingress: bool,
    /// Asked for; `None`: the allocator takes one from the pool.
    pub subnet: Option<IpNet>,
    /// Asked for; `None`: the first host address of the subnet.
    pub gateway: Option<IpAddr>,
}

impl NetworkSpec {
    /// An overlay network with nothing but a name.
    pub fn named(name: Name) -> Self {
        Self {
            name,
            labels: BTreeMap::new(),
            internal: false,
            attachable: false,
            ingress: false,
            subnet: None,
            gateway: None,
        }
    }

    /// Checks what the fields must fulfil together.
    pub fn validate(&self) -> Result<(), Invalid> {
        let misshapen = |s: &IpNet| !(8..=29).contains(&s.prefix_len()) || s.addr() != s.network();
        if let Some(subnet) = self.subnet.filter(misshapen) {
            return Err(Invalid::Subnet(subnet.to_string()));
        }
        match (self.gateway, self.subnet) {
            (None, _) => Ok(()),
            (Some(gateway), Some(subnet))
                if subnet.contains(&gateway) && gateway != subnet.network() && gateway != subnet.broadcast() =>
            {
                Ok(())
            }
            (Some(gateway), subnet) => Err(Invalid::Gateway {
                gateway: gateway.to_string(),
                subnet: subnet.map_or_else(|| "(none given)".to_owned(), |s| s.to_string()),
            }),
        }
    }
}

/// A network as the cluster holds it. It exists only with its VNI and subnet: the allocator gives both when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Raft index of the last change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What was asked for.
    pub spec: NetworkSpec,
    /// Its segment.
    pub vni: Vni,
    /// Where its addresses come from.
    pub subnet: IpNet,
    /// Answered by the datapath of every node; no device has it.
    pub gateway: IpAddr,
}

/// One attachment of a task to a network: an endpoint's address. The first of a task is its gateway endpoint, which
/// carries the default route and takes the traffic of published ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The network.
    pub network: NetworkId,
    /// The task's address in it.
    pub addr: IpAddr,
    /// Other names of the task's service in this network.
    pub aliases: Vec<Name>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_vnis_are_nobodys() {
        for number in [0, 4095, MESH_REQUEST_VNI, MESH_REPLY_VNI, 1 << 24] {
            assert!(Vni::try_from(number).is_err(), "{number}");
        }
        assert_eq!(Vni::try_from(4096).unwrap().get(), 4096);
    }

    #[test]
    fn a_subnet_has_no_host_bits_and_holds_its_gateway() {
        let mut spec = NetworkSpec::named("blue".parse().unwrap());
        spec.subnet = Some("10.9.0.0/24".parse().unwrap());
        spec.gateway = Some("10.9.0.1".parse().unwrap());
        assert_eq!(spec.validate(), Ok(()));
        spec.gateway = Some("10.9.1.1".parse().unwrap());
        assert!(matches!(spec.validate(), Err(Invalid::Gateway { .. })));
        spec.subnet = Some("10.9.0.1/24".parse().unwrap());
        assert!(matches!(spec.validate(), Err(Invalid::Subnet(_))));
    }

    #[test]
    fn macs_round_trip() {
        let mac = Mac::of("10.1.0.5".parse().unwrap());
        assert_eq!(mac.to_string(), "02:42:0a:01:00:05");
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert!("02:42:0a:01:00".parse::<Mac>().is_err());
    }
}
