//! Where managers may be as an operator says: tried when what the cluster itself knows leads nowhere. A hint names nobody;
//! whoever answers there is known by the certificate, as everywhere.

use tokio::sync::watch;

/// The hints as they are now; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hints(watch::Receiver<Vec<String>>);

impl Hints {
    /// Those that `sender` has, now and later.
    pub fn of(sender: &watch::Sender<Vec<String>>) -> Self {
        Self(sender.subscribe())
    }

    /// `HOST:PORT` each; a host name is looked up anew for each attempt.
    pub fn now(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

impl Default for Hints {
    /// None, for good.
    fn default() -> Self {
        Self::of(&watch::Sender::default())
    }
}
