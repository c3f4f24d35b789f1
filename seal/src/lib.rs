//! What must be secret or whole on a node's own disk: authenticated encryption, the keys for it, and files that are
//! replaced as a whole.
//!
//! A manager seals its log under a data key of its own. The data keys lie in a key file beside it: in clear, or, if the
//! cluster's autolock is on, sealed under the cluster's unlock key, which no disk holds in clear.

mod aead;
pub mod durable;
mod file;
mod keyring;
mod pem;
mod unlock;

pub use aead::{Key, NotOpened};
pub use file::{KeyFile, KeyFileError};
pub use keyring::{KeyId, Keyring, Keys};
pub use pem::{cover, is_covered, uncover};
pub use unlock::{InvalidUnlockKey, UnlockKey};
