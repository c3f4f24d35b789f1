//! Memory that is needed for a moment and not any more.
#![allow(unsafe_code)]

/// From this size on, bytes, a block is the kernel's again as soon as it is free.
#[cfg(target_env = "gnu")]
const APART: libc::c_int = 1 << 20;

/// Lets large blocks stay apart from the heap. The allocator of glibc takes the largest one that was ever given back as a
/// sign that such blocks are usual, and keeps as much from then on. To be called before there are any.
pub fn keep_large_blocks_apart() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no argument refers to memory, and any thread may call it at any time; blocks in use stay as they are.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, APART)
    };
}

/// Gives free memory back to the kernel. Loading programs takes tens of megabytes for a moment (BTF, the verifier's words),
/// which the allocator of glibc keeps for a daemon that never needs them again. Others give it back by themselves.
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no argument refers to memory, and any thread may call it at any time; what is in use stays as it is.
    unsafe {
        libc::malloc_trim(0)
    };
}
