//! The clock and the dice of a manager, read here and nowhere below: times and ids travel in commands.

use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use model::{RequestId, Timestamp};
use ring::digest::{Context, SHA256};

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A clock that nobody sets, for what is measured here and told to nobody: since it was asked first.
pub(crate) fn steady() -> Timestamp {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    Timestamp(i64::try_from(BEGUN.elapsed().as_nanos()).unwrap_or(i64::MAX))
}

/// 128 random bits of the operating system.
///
/// # Panics
/// If the kernel has no randomness to give, which it does not do once it has booted; ids and keys without it would be
/// worse.
#[allow(clippy::expect_used, reason = "see above")]
pub(crate) fn bits() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the kernel gives randomness");
    u128::from_le_bytes(bytes)
}

/// The number of a session with a node: that of a later one is larger, and no two managers give the same.
pub(crate) fn session() -> u128 {
    let since = u128::try_from(steady().0).unwrap_or(0);
    since << 64 | bits() >> 64
}

/// A fresh request id.
pub(crate) fn request() -> RequestId {
    RequestId::from_bits(bits())
}

/// The id of an object that `request` asks for: a hash, so that a retry at any manager speaks of the same object.
pub(crate) fn object_of(request: RequestId, kind: &str) -> u128 {
    let mut context = Context::new(&SHA256);
    context.update(kind.as_bytes());
    context.update(&request.bits().to_le_bytes());
    let mut bits = [0; 16];
    bits.copy_from_slice(&context.finish().as_ref()[..16]);
    u128::from_le_bytes(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_session_has_a_larger_number() {
        let numbers = [(); 50].map(|()| session());
        assert!(numbers.is_sorted_by(|a, b| a >> 64 <= b >> 64 && a != b));
    }

    #[test]
    fn a_retry_speaks_of_the_same_object() {
        let (a, b) = (request(), request());
        assert_ne!(a, b);
        assert_eq!(object_of(a, "service"), object_of(a, "service"));
        assert_ne!(object_of(a, "service"), object_of(a, "network"));
        assert_ne!(object_of(a, "service"), object_of(b, "service"));
    }
}
