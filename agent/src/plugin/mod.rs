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
use tokio::{net::UnixListener, sync::oneshot};

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
    /// Ends the server when it goes.
    _serving: oneshot::Sender<()>,
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
        let (serving, stopped) = oneshot::channel();
        tokio::spawn(async move {
            let stopped = async move {
                // Nothing is ever sent: the other end goes.
                let _ = stopped.await;
            };
            let served = axum::serve(listener, router).with_graceful_shutdown(stopped);
            if let Err(error) = served.await {
                tracing::error!(%error, "the network driver no longer answers");
            }
        });
        Ok(Self {
            socket,
            _serving: serving,
        })
    }

    /// Stops serving and removes the socket. The engine keeps its connections open: they end too, or they would go on
    /// being answered from what the network was told last.
    pub fn stop(self) {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixStream,
        time::timeout,
    };

    use super::*;
    use crate::network::fake::FakeNetwork;

    #[tokio::test]
    async fn a_connection_that_the_engine_keeps_open_ends_with_the_driver() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = Plugin::serve(folder.path(), Arc::new(FakeNetwork::default())).unwrap();
        let mut engine = UnixStream::connect(folder.path().join("netctl.sock")).await.unwrap();
        let call = b"POST /Plugin.Activate HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n\r\n";
        engine.write_all(call).await.unwrap();
        let mut answer = [0; 1024];
        assert!(engine.read(&mut answer).await.unwrap() > 0);
        plugin.stop();
        let ended = async { while engine.read(&mut answer).await.unwrap() > 0 {} };
        timeout(Duration::from_secs(5), ended).await.unwrap();
    }
}
