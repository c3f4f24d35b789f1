//! Registers in a cluster: services without replicas, whose label is the value.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper_util::rt::TokioIo;
use linearizability::register::Register;
use model::{Mode, ServiceSpec};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};
use wire::pb::{self, control_client::ControlClient};

const LABEL: &str = "register";
/// Never pulled: no replica runs.
const IMAGE: &str = "netctl/tools:latest";
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
const CREATE_DEADLINE: Duration = Duration::from_secs(60);

/// Name of a register's service.
pub fn name(key: u32) -> String {
    format!("register-{key}")
}

/// A service that holds `value`.
///
/// # Errors
/// Never for the names of [`name`].
pub fn spec(key: u32, value: u64) -> Result<pb::ServiceSpec> {
    let mut spec = ServiceSpec::new(name(key).parse()?, IMAGE);
    spec.mode = Mode::Replicated { replicas: 0 };
    let mut spec = pb::ServiceSpec::from(spec);
    spec.labels = vec![pb::Label {
        name: LABEL.to_owned(),
        value: value.to_string(),
    }];
    Ok(spec)
}

/// The value that a service holds, and its version.
///
/// # Errors
/// Somebody else wrote to it.
pub fn shown(service: &pb::Service) -> Result<(u64, u64)> {
    let spec = service.spec.as_ref().context("a service without a spec")?;
    let label = spec.labels.iter().find(|label| label.name == LABEL);
    let value = label.context("a register without a value")?.value.parse()?;
    Ok((service.version, value))
}

/// Connects to a daemon's socket.
///
/// # Errors
/// Nobody listens there.
pub async fn connect(socket: &Path) -> Result<ControlClient<Channel>> {
    // The transport's own first connection would not say whether anything was sent.
    let stream = UnixStream::connect(socket).await?;
    let mut once = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = once.take();
        async move { stream.ok_or(std::io::Error::from(std::io::ErrorKind::NotConnected)) }
    });
    let endpoint = Endpoint::from_static("http://netd.local");
    let channel = endpoint.connect_with_connector(connector).await?;
    Ok(ControlClient::new(channel))
}

/// Makes the registers, or finds those of an earlier run; returns what they hold.
///
/// # Errors
/// Not within a minute.
pub async fn create(socket: &Path, keys: u32) -> Result<BTreeMap<u32, Register>> {
    tokio::time::timeout(CREATE_DEADLINE, create_all(socket, keys))
        .await
        .context("making the registers took more than a minute")?
}

async fn create_all(socket: &Path, keys: u32) -> Result<BTreeMap<u32, Register>> {
    let mut control = connect(socket).await?;
    let mut registers = BTreeMap::new();
    for key in 0..keys {
        // A cluster that has just got its managers may be between two leaders.
        let service = loop {
            match create_one(&mut control, key).await {
                Ok(service) => break service,
                Err(status) if status.code() == Code::Unavailable => tokio::time::sleep(BETWEEN_TRIES).await,
                Err(status) => bail!("making {}: {}", name(key), status.message()),
            }
        };
        let (version, value) = shown(&service)?;
        registers.insert(key, Register::new(version, value));
    }
    Ok(registers)
}

async fn create_one(control: &mut ControlClient<Channel>, key: u32) -> Result<pb::Service, Status> {
    let spec = spec(key, 0).map_err(|error| Status::internal(error.to_string()))?;
    let request = pb::CreateServiceRequest {
        request: String::new(),
        spec: Some(spec),
    };
    match control.create_service(request).await {
        Ok(_) => {}
        Err(status) if status.code() == Code::AlreadyExists => {}
        Err(status) => return Err(status),
    }
    let request = pb::ListServicesRequest { refs: vec![name(key)] };
    let listed = control.list_services(request).await?.into_inner();
    let gone = || Status::not_found("it was just made and is gone");
    listed.services.into_iter().next().ok_or_else(gone)
}
