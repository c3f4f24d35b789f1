//! What the driver reads out of the engine's requests (libnetwork's remote driver protocol).

use std::collections::BTreeMap;

use model::{NetworkId, TaskId};
use serde::Deserialize;
use serde_json::Value;

use super::{OPTION_ADDRESS, OPTION_GATEWAY, OPTION_MAC, OPTION_NETWORK, OPTION_TASK};
use crate::network::EndpointSpec;

/// Where libnetwork puts driver options in some versions; others put them at the top.
const GENERIC: &str = "com.docker.network.generic";
/// Ports that `docker run -p` asked for.
const PORT_MAP: &str = "com.docker.network.portmap";

/// `CreateEndpoint`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateEndpoint {
    /// The engine's id of the endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint: String,
    /// What the engine has decided already; with null IPAM nothing.
    #[serde(default)]
    pub interface: Option<Interface>,
    /// Driver options and the engine's own.
    #[serde(default)]
    pub options: Option<BTreeMap<String, Value>>,
}

/// Addresses that the engine chose; such a field must be left out of the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Interface {
    /// Address with prefix length.
    pub address: String,
    /// Hardware address.
    pub mac_address: String,
}

/// `Join`, `Leave` and `DeleteEndpoint`: only the endpoint matters.
#[derive(Debug, Deserialize)]
pub struct EndpointCall {
    /// The engine's id of the endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint: String,
}

impl CreateEndpoint {
    /// The endpoint that the worker asked for; an error in words for whoever ran `docker`.
    pub fn spec(&self) -> Result<EndpointSpec, String> {
        if self.publishes() {
            return Err(
                "ports of containers on netctl networks are published by their service: use \
                        netctl service create --publish"
                    .to_owned(),
            );
        }
        Ok(EndpointSpec {
            task: self.parsed::<TaskId>(OPTION_TASK)?,
            network: self.parsed::<NetworkId>(OPTION_NETWORK)?,
            address: self.parsed(OPTION_ADDRESS)?,
            mac: self.parsed(OPTION_MAC)?,
            gateway: match self.option(OPTION_GATEWAY) {
                Some(_) => Some(self.parsed(OPTION_GATEWAY)?),
                None => None,
            },
        })
    }

    fn publishes(&self) -> bool {
        let ports = self.options.as_ref().and_then(|o| o.get(PORT_MAP)?.as_array());
        ports.is_some_and(|ports| !ports.is_empty())
    }

    fn option(&self, name: &str) -> Option<&str> {
        let options = self.options.as_ref()?;
        let top = options.get(name);
        top.or_else(|| options.get(GENERIC)?.get(name)).and_then(Value::as_str)
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T, String> {
        let text = self.option(name).ok_or_else(|| {
            "containers join netctl networks as tasks of a service: use netctl service create --network".to_owned()
        })?;
        text.parse()
            .map_err(|_| format!("endpoint option {name} has the malformed value \"{text}\""))
    }
}
