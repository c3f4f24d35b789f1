//! The data keys of a running manager: shared between who seals with them and who changes them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::Key;

/// Number of a data key; grows with every rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Data keys by number. The highest seals; the others still open what they sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    current: KeyId,
    all: BTreeMap<KeyId, Key>,
}

impl Keys {
    /// One fresh key.
    pub fn fresh() -> Self {
        Self::of([(KeyId(1), Key::fresh())])
    }

    pub(crate) fn of(keys: impl IntoIterator<Item = (KeyId, Key)>) -> Self {
        let all: BTreeMap<_, _> = keys.into_iter().collect();
        let current = all.last_key_value().map_or(KeyId(0), |(id, _)| *id);
        Self { current, all }
    }

    /// The one that seals now.
    pub fn current(&self) -> KeyId {
        self.current
    }

    /// A key by its number.
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.all.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (KeyId, &Key)> {
        self.all.iter().map(|(id, key)| (*id, key))
    }

    /// The same and a fresh one, which seals from now on.
    #[must_use]
    pub fn rotated(&self) -> Self {
        let next = (KeyId(self.current.0.saturating_add(1)), Key::fresh());
        Self::of(self.all.clone().into_iter().chain([next]))
    }

    /// Without those that are older than `id`.
    #[must_use]
    pub fn from(&self, id: KeyId) -> Self {
        Self::of(self.all.clone().into_iter().filter(|(known, _)| *known >= id))
    }
}

/// A shared handle to the data keys. Its owner replaces them once the new ones are on disk; who seals takes them as they
/// are, and says when nothing is left that older ones sealed.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Arc<RwLock<Arc<Keys>>>,
    oldest_in_use: Arc<AtomicU32>,
    /// The same for the node's own key, which lies elsewhere; 0 until somebody says.
    beside: Arc<AtomicU32>,
}

impl Keyring {
    /// Of these keys.
    pub fn new(keys: Keys) -> Self {
        Self {
            keys: Arc::new(RwLock::new(Arc::new(keys))),
            oldest_in_use: Arc::default(),
            beside: Arc::default(),
        }
    }

    /// The keys as they are now.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other keys from now on.
    pub fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Nothing older than `id` is needed any more to open what was sealed.
    pub fn set_oldest_in_use(&self, id: KeyId) {
        self.oldest_in_use.store(id.0, Ordering::Release);
    }

    /// Under which key the node's own key is sealed; `None`: it lies in clear. Until this was said no key is dropped.
    pub fn set_beside(&self, id: Option<KeyId>) {
        self.beside.store(id.map_or(u32::MAX, |id| id.0), Ordering::Release);
    }

    /// The oldest key that is still needed.
    pub fn oldest_in_use(&self) -> KeyId {
        let log = self.oldest_in_use.load(Ordering::Acquire);
        KeyId(log.min(self.beside.load(Ordering::Acquire)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_needed_as_long_as_log_or_node_need_it() {
        let keyring = Keyring::new(Keys::fresh());
        keyring.set_oldest_in_use(KeyId(3));
        assert_eq!(keyring.oldest_in_use(), KeyId(0), "nobody knows of the node's key yet");
        keyring.set_beside(Some(KeyId(2)));
        assert_eq!(keyring.oldest_in_use(), KeyId(2));
        keyring.set_beside(None);
        assert_eq!(keyring.oldest_in_use(), KeyId(3));
    }

    #[test]
    fn rotation_keeps_old_keys_until_they_are_dropped() {
        let first = Keys::fresh();
        let second = first.rotated();
        assert_eq!((first.current(), second.current()), (KeyId(1), KeyId(2)));
        assert_eq!(second.get(KeyId(1)), first.get(KeyId(1)));
        assert_ne!(second.get(KeyId(2)), first.get(KeyId(1)));
        let only = second.from(KeyId(2));
        assert_eq!((only.current(), only.get(KeyId(1))), (KeyId(2), None));
    }
}
