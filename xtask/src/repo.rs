//! Where things are in the repository. Called by every subcommand.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// `target/` of the repository, whatever `CARGO_TARGET_DIR` says: the eBPF
/// object, images, logs and figures have fixed places below it.
pub fn target() -> PathBuf {
    root().join("target")
}

/// The eBPF object that the agent embeds.
pub fn bpf_object() -> PathBuf {
    target().join("bpf/progs.o")
}

/// The eBPF object of the lab's broken wires.
pub fn faults_object() -> PathBuf {
    target().join("bpf/faults.o")
}

/// Logs of the lab's nodes.
pub fn lab_logs() -> PathBuf {
    target().join("lab")
}
