//! Docker's remote network driver, served on `<plugin-dir>/netctl.sock`.
//!
//! The engine calls it while one of our own engine calls is under way, so handlers never call the engine and never wait
//! for the worker; they only ask the network for one endpoint. All that an endpoint needs comes in the options that the
//! worker gave the engine, so that a restarted daemon serves calls of containers that it does not remember.

mod driver;
mod message;

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, body::Bytes, extract::State, http::Uri, routing::post};
use serde_json::Value;
use tokio::{net::UnixListener, task::JoinHandle};

use self::driver::Driver;
use crate::network::Network;

/// The driver's name at the engine, and the socket's file name.
pub const DRIVER: &str = "netctl";
/// Endpoint option: task id.
pub const OPTION_TASK: &str = "netctl.task";
/// Endpoint and network option: network id.
pub const OPTION_NETWORK: &str = "netctl.network";
/// Endpoint option: address with prefix length.
pub const OPTION_ADDRESS: &str = "netctl.address";
/// Endpoint option: hardware address.
pub const OPTION_MAC: &str = "netctl.mac";
/// Endpoint option: default gateway; only on the gateway endpoint.
pub const OPTION_GATEWAY: &str = "netctl.gateway";

/// The running driver.
pub struct Plugin {
    socket: PathBuf,
    server: JoinHandle<()>,
}

impl Plugin {
    /// Serves the driver in `folder`. A socket left by an earlier run is replaced.
    pub fn serve(folder: &Path, network: Arc<dyn Network>) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let socket = folder.join(format!("{DRIVER}.sock"));
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
        let router = router(Arc::new(Driver::new(network)));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the network driver no longer answers");
            }
        });
        Ok(Self { socket, server })
    }

    /// Stops serving and removes the socket.
    pub fn stop(self) {
        self.server.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// One route for all calls: the engine sends no useful content type, and chunks its bodies as it likes.
fn router(driver: Arc<Driver>) -> Router {
    Router::new().route("/{call}", post(answer)).with_state(driver)
}

async fn answer(State(driver): State<Arc<Driver>>, uri: Uri, body: Bytes) -> String {
    let call = uri.path().trim_start_matches('/');
    let reply = match parse(&body) {
        Ok(request) => driver.call(call, request).await,
        Err(error) => Err(format!("{call}: malformed request: {error}")),
    };
    match reply {
        Ok(value) => value.to_string(),
        Err(error) => {
            tracing::warn!(call, error, "network driver refused");
            serde_json::json!({ "Err": error }).to_string()
        }
    }
}

fn parse(body: &[u8]) -> serde_json::Result<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body)
}
