//! Names of those who hold ports; finding one reads all of `/proc`, so it is done once per set of listeners.

use model::{HeldPort, Protocol};

use crate::link::Listener;

/// First port of the kernel's usual ephemeral range: a UDP socket there is most often a client that will be gone soon.
const EPHEMERAL_FIRST: u16 = 32768;

/// See the module.
#[derive(Default)]
pub(super) struct Holders {
    listeners: Vec<Listener>,
    named: Vec<HeldPort>,
}

impl Holders {
    /// Who holds the ports of these listeners.
    pub(super) async fn name(&mut self, listeners: Vec<Listener>) -> Vec<HeldPort> {
        let lasting = |l: &Listener| l.protocol == Protocol::Tcp || l.port < EPHEMERAL_FIRST;
        let listeners: Vec<_> = listeners.into_iter().filter(lasting).collect();
        if listeners != self.listeners {
            let asked = listeners.clone();
            let named = tokio::task::spawn_blocking(move || asked.iter().map(held).collect()).await;
            self.named = named.unwrap_or_default();
            self.listeners = listeners;
        }
        self.named.clone()
    }
}

fn held(listener: &Listener) -> HeldPort {
    HeldPort {
        port: listener.port,
        protocol: listener.protocol,
        holder: listener.holder(),
    }
}
