//! Memory that loading leaves behind.
#![allow(unsafe_code)]

/// Gives free memory back to the kernel. Loading programs takes tens of megabytes for a moment (BTF, the verifier's words),
/// which the allocator of glibc keeps for a daemon that never needs them again. Others give it back by themselves.
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no argument refers to memory, and any thread may call it at any time; what is in use stays as it is.
    unsafe {
        libc::malloc_trim(0)
    };
}
