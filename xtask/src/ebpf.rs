//! `xtask build-ebpf`: compiles `ebpf/progs` with Debian's own rustc, whose BPF
//! core library spares a nightly, into `target/bpf/progs.o`; and in the same way
//! `ebpf/faults`, the lab's own program.
//!
//! Called by everything that builds the agent, and by the lab. Does nothing
//! while no source of an object is newer than it.

use crate::process::{command, run};
use crate::repo;
use anyhow::{Context, Result, bail};
use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const TARGET: &str = "bpfel-unknown-none";

/// Builds the product's eBPF object when it is out of date.
///
/// # Errors
/// The toolchain is missing (`xtask setup` installs it) or the build fails.
pub fn build() -> Result<()> {
    build_object("progs", &["abi", "decide", "progs"], &repo::bpf_object())
}

/// Builds the lab's own object when it is out of date.
///
/// # Errors
/// As [`build`].
pub fn build_faults() -> Result<()> {
    build_object("faults", &["faults"], &repo::faults_object())
}

/// Compiles `ebpf/<package>`, whose sources are the given folders of `ebpf/`.
fn build_object(package: &str, sources: &[&str], object: &Path) -> Result<()> {
    let times = sources
        .iter()
        .map(|folder| newest_source(&repo::root().join("ebpf").join(folder)));
    let newest = times.collect::<Result<Vec<_>>>()?.into_iter().max();
    let built = object.metadata().and_then(|meta| meta.modified()).ok();
    if built.is_some() && built > newest {
        return Ok(());
    }
    if !Path::new(CARGO).exists() || !Path::new(RUSTC).exists() {
        bail!("no {CARGO} or {RUSTC} (Debian's cargo-web and rustc-web): run cargo xtask setup");
    }
    println!("build-ebpf: compiling ebpf/{package}");
    let built = compile(package)?;
    let folder = object.parent().context("the object has a folder")?;
    std::fs::create_dir_all(folder)?;
    let bytes = std::fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let bytes = without_dwarf(&bytes).with_context(|| format!("taking DWARF out of {}", built.display()))?;
    std::fs::write(object, bytes).with_context(|| format!("writing {}", object.display()))
}

/// The object without DWARF, three quarters of it. The kernel reads BTF, which the compiler makes only beside DWARF.
fn without_dwarf(object: &[u8]) -> Result<Vec<u8>> {
    let mut elf = Builder::read(object)?;
    for section in &mut elf.sections {
        let name = section.name.to_string();
        section.delete = name.trim_start_matches(".rel").starts_with(".debug_");
    }
    elf.delete_orphans();
    // LLVM keeps names of sections among those of symbols; the writer wants them apart.
    let names = elf.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut bytes = Vec::new();
    elf.write(&mut bytes)?;
    Ok(bytes)
}

/// Runs Debian's cargo; returns the path of the linked object.
fn compile(package: &str) -> Result<PathBuf> {
    let target_dir = repo::target().join("bpf/build");
    let mut cargo = command(CARGO, &["build", "--quiet", "--release", "--target", TARGET]);
    cargo.current_dir(repo::root().join("ebpf").join(package));
    // The outer cargo and rustup's proxy leave variables that lead to the wrong compiler.
    for name in [
        "CARGO",
        "RUSTUP_TOOLCHAIN",
        "RUSTC_WRAPPER",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(name);
    }
    cargo
        .env("PATH", linker_path())
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", "bpf-linker")
        .env("RUSTFLAGS", "-C debuginfo=2 -C link-arg=--btf");
    run(&mut cargo).with_context(|| format!("building ebpf/{package} (cargo xtask setup installs the toolchain)"))?;
    Ok(target_dir.join(TARGET).join("release").join(package))
}

/// The PATH with cargo's own bin folder, where setup puts bpf-linker.
fn linker_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    home.map_or(path.clone(), |home| format!("{home}/bin:{path}"))
}

/// Time of the newest file below `folder`, build results left out.
fn newest_source(folder: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let time = match entry.file_type()?.is_dir() {
            true if entry.file_name() == "target" => continue,
            true => newest_source(&entry.path())?,
            false => entry.metadata()?.modified()?,
        };
        newest = newest.max(time);
    }
    Ok(newest)
}
