//! The BPF object that the agent embeds must be there before it is compiled.

use std::path::Path;

fn main() {
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bpf/progs.o");
    println!("cargo::rerun-if-changed={}", object.display());
    if !object.exists() {
        println!(
            "cargo::error={} is missing: run `cargo xtask build-ebpf`",
            object.display()
        );
    }
}
