//! Gets the real object into the kernel, and the words for `ip`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use abi::map;
use anyhow::{Context as _, Result, bail};
use aya::programs::{ProgramError, SchedClassifier};
use aya::{Ebpf, EbpfLoader};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A program of the packet path by its name.
pub(crate) fn classifier<'a>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    Ok(bpf
        .program_mut(name)
        .with_context(|| format!("no program {name}"))?
        .try_into()?)
}

/// Loads a program. The verifier gives up with EAGAIN when a signal comes (a child's end, say): once more then.
pub(crate) fn verify<'a>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    let p = classifier(bpf, name)?;
    let mut result = p.load();
    for _ in 0..10 {
        match &result {
            Err(ProgramError::LoadError { io_error, .. }) if io_error.kind() == ErrorKind::WouldBlock => {}
            _ => break,
        }
        result = p.load();
    }
    result.with_context(|| format!("verifier on {name}"))?;
    Ok(p)
}

/// The object as `cargo xtask build-ebpf` leaves it.
pub(crate) fn object() -> Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bpf/progs.o");
    std::fs::read(&path).with_context(|| format!("{}: run cargo xtask build-ebpf", path.display()))
}

/// Loads into a bpffs of our own that is gone at once: nothing stays behind.
pub(crate) fn load(object: &[u8]) -> Result<Ebpf> {
    let pins = PathBuf::from(format!(
        "/tmp/netctl-prog-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::create_dir_all(&pins)?;
    mount(Some("bpf"), &pins, Some("bpf"), MsFlags::empty(), None::<&str>).context("mounting a bpffs")?;
    let mut loader = EbpfLoader::new();
    // Small tables: they are allocated when they are made.
    for name in [map::CT, map::REV, map::SNAT, map::FRAG, map::SOCK] {
        loader.map_max_entries(name, 4096);
    }
    let bpf = loader
        .default_map_pin_directory(&pins)
        .load(object)
        .context("loading the object");
    umount2(&pins, MntFlags::MNT_DETACH)?;
    std::fs::remove_dir(&pins)?;
    bpf
}

/// Runs `ip` with these words in this thread's network namespace.
///
/// # Errors
/// What `ip` says.
pub fn ip(words: &str) -> Result<()> {
    let out = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .context("ip (package iproute2)")?;
    if !out.status.success() {
        bail!("ip {words}: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
}
