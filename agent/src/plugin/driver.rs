//! The driver's calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::message::{CreateEndpoint, EndpointCall};
use crate::network::{EndpointSpec, Network};

/// Answers the engine. Between `CreateEndpoint` and `Join` it remembers what the endpoint is to be, since `Join` does not
/// carry the options again; a `Join` after a restart of the daemon in between fails, and the task is replaced.
pub struct Driver {
    network: Arc<dyn Network>,
    endpoints: Mutex<BTreeMap<String, EndpointSpec>>,
}

impl Driver {
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self {
            network,
            endpoints: Mutex::default(),
        }
    }

    /// Answers `call` (`NetworkDriver.Join`, ...); the error becomes the engine's error text.
    pub async fn call(&self, call: &str, request: Value) -> Result<Value, String> {
        match call {
            "Plugin.Activate" => Ok(json!({ "Implements": ["NetworkDriver"] })),
            "NetworkDriver.GetCapabilities" => Ok(json!({ "Scope": "local", "ConnectivityScope": "global" })),
            "NetworkDriver.CreateEndpoint" => self.create_endpoint(&read(call, request)?),
            "NetworkDriver.EndpointOperInfo" => Ok(json!({ "Value": {} })),
            "NetworkDriver.Join" => self.join(&read(call, request)?).await,
            "NetworkDriver.DeleteEndpoint" => self.delete_endpoint(&read(call, request)?).await,
            // Networks are made by the managers; engine-side creation, leaving and discovery need nothing of us.
            _ => Ok(json!({})),
        }
    }

    fn create_endpoint(&self, request: &CreateEndpoint) -> Result<Value, String> {
        let spec = request.spec()?;
        let mut interface = serde_json::Map::new();
        let chosen = request.interface.as_ref();
        if chosen.is_none_or(|i| i.address.is_empty()) {
            interface.insert("Address".to_owned(), spec.address.to_string().into());
        }
        if chosen.is_none_or(|i| i.mac_address.is_empty()) {
            interface.insert("MacAddress".to_owned(), spec.mac.to_string().into());
        }
        self.endpoints().insert(request.endpoint.clone(), spec);
        Ok(json!({ "Interface": interface }))
    }

    /// The program and the map rows are in place before the answer, so that the first packet is not lost.
    async fn join(&self, request: &EndpointCall) -> Result<Value, String> {
        let spec = self.endpoints().get(&request.endpoint).cloned();
        let spec =
            spec.ok_or_else(|| format!("endpoint {} is not known: start the container again", request.endpoint))?;
        let gateway = spec.gateway;
        let device = self.network.ensure_endpoint(spec).await.map_err(|e| e.to_string())?;
        let mut answer = json!({
            "InterfaceName": { "SrcName": device, "DstPrefix": "eth" },
            "StaticRoutes": [],
        });
        match gateway {
            Some(gateway) => answer["Gateway"] = gateway.to_string().into(),
            // Without it the engine would attach a bridge of its own to a container that has no gateway yet.
            None => answer["DisableGatewayService"] = true.into(),
        }
        Ok(answer)
    }

    async fn delete_endpoint(&self, request: &EndpointCall) -> Result<Value, String> {
        let spec = self.endpoints().remove(&request.endpoint);
        if let Some(spec) = spec {
            let removed = self.network.remove_endpoint(spec.task, spec.network).await;
            removed.map_err(|e| e.to_string())?;
        }
        Ok(json!({}))
    }

    fn endpoints(&self) -> MutexGuard<'_, BTreeMap<String, EndpointSpec>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read<T: DeserializeOwned>(call: &str, request: Value) -> Result<T, String> {
    serde_json::from_value(request).map_err(|error| format!("{call}: malformed request: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::fake::FakeNetwork;

    fn create(options: Value) -> Value {
        json!({ "NetworkID": "n", "EndpointID": "e", "Interface": {}, "Options": options })
    }

    fn options() -> Value {
        let id = "0".repeat(25);
        json!({
            "netctl.task": id, "netctl.network": id, "netctl.address": "10.1.0.5/24",
            "netctl.mac": "02:42:0a:01:00:05", "netctl.gateway": "10.1.0.1",
        })
    }

    #[tokio::test]
    async fn the_gateway_endpoint_gets_its_address_device_and_gateway() {
        let network = Arc::new(FakeNetwork::default());
        let driver = Driver::new(network.clone());
        let made = driver
            .call("NetworkDriver.CreateEndpoint", create(options()))
            .await
            .unwrap();
        assert_eq!(made["Interface"]["Address"], "10.1.0.5/24");
        let joined = driver
            .call("NetworkDriver.Join", json!({ "EndpointID": "e" }))
            .await
            .unwrap();
        assert_eq!(joined["Gateway"], "10.1.0.1");
        assert_eq!(joined["InterfaceName"]["DstPrefix"], "eth");
        assert_eq!(network.endpoints().len(), 1);
        driver
            .call("NetworkDriver.DeleteEndpoint", json!({ "EndpointID": "e" }))
            .await
            .unwrap();
        assert!(network.endpoints().is_empty());
    }

    #[tokio::test]
    async fn further_endpoints_disable_the_engines_gateway() {
        let driver = Driver::new(Arc::new(FakeNetwork::default()));
        let mut further = options();
        further.as_object_mut().unwrap().remove("netctl.gateway");
        driver
            .call("NetworkDriver.CreateEndpoint", create(further))
            .await
            .unwrap();
        let joined = driver
            .call("NetworkDriver.Join", json!({ "EndpointID": "e" }))
            .await
            .unwrap();
        assert_eq!(joined["DisableGatewayService"], true);
        assert_eq!(joined.get("Gateway"), None);
    }

    #[tokio::test]
    async fn docker_run_by_hand_is_refused_with_the_way_out() {
        let driver = Driver::new(Arc::new(FakeNetwork::default()));
        let error = driver
            .call("NetworkDriver.CreateEndpoint", create(json!({})))
            .await
            .unwrap_err();
        assert!(error.contains("netctl service create"), "{error}");
        let mut published = options();
        published["com.docker.network.portmap"] = json!([{ "Port": 80 }]);
        let error = driver
            .call("NetworkDriver.CreateEndpoint", create(published))
            .await
            .unwrap_err();
        assert!(error.contains("--publish"), "{error}");
    }

    #[tokio::test]
    async fn an_address_that_the_engine_chose_is_not_returned() {
        let driver = Driver::new(Arc::new(FakeNetwork::default()));
        let mut request = create(options());
        request["Interface"] = json!({ "MacAddress": "02:00:00:00:00:01" });
        let made = driver.call("NetworkDriver.CreateEndpoint", request).await.unwrap();
        assert_eq!(made["Interface"].get("MacAddress"), None);
    }
}
