//! T
use anyhow::Context as _;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
/// T
pub fn load() -> anyhow::Result<aya::Ebpf> {
    let object = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bpf/progs.o");
    let bytes = std::fs::read(&object).with_context(|| format!("{}: run cargo xtask build-ebpf", object.display()))?;
    let pins = std::path::PathBuf::from(format!("/tmp/netctl-prog-{}", std::process::id()));
    std::fs::create_dir_all(&pins)?;
    mount(Some("bpf"), &pins, Some("bpf"), MsFlags::empty(), None::<&str>).context("mounting")?;
    let b = aya::EbpfLoader::new().default_map_pin_directory(&pins).load(&bytes);
    umount2(&pins, MntFlags::MNT_DETACH)?;
    let _ = std::fs::remove_dir(&pins);
    Ok(b?)
}
