//! `xtask setup`: everything a fresh Debian 12 with Rust lacks to build and
//! test netctl. Says what it installs; quick when all of it is there.
//!
//! Called by `demo` and `test` first. Installs packages and one cargo tool;
//! starts, configures and mounts nothing.

use crate::process::{command, exists, output, run, succeeds};
use anyhow::{Context, Result, bail};

/// Debian packages and why they are needed.
const PACKAGES: &[(&str, &str)] = &[
    ("gcc", "linker, and C parts of crates"),
    ("libc6-dev", "linker, and C parts of crates"),
    ("g++", "libFuzzer"),
    ("iproute2", "the lab's namespaces and links"),
    ("iptables", "engines with their defaults"),
    ("busybox-static", "the tools image"),
    ("curl", "the demo's requests"),
    ("rustc-web", "eBPF compiler"),
    ("cargo-web", "eBPF build"),
    ("libstd-rust-web-dev-bpf", "eBPF core library"),
    ("llvm-22-dev", "bpf-linker"),
    ("libpolly-22-dev", "bpf-linker"),
    ("bpftool", "looking at programs and maps"),
    ("iperf3", "throughput figures"),
    ("wrk", "request figures"),
    ("tcpdump", "looking at packets"),
    ("ethtool", "offloads of the lab's links"),
    ("faketime", "daemons by a clock that is off"),
];

/// Version line of the linker that the recipe was proven with.
const BPF_LINKER: &str = "0.13";
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// Installs what is missing.
///
/// # Errors
/// Not root, not Debian, or a package or tool that cannot be installed.
pub fn setup() -> Result<()> {
    require_root()?;
    let mut missing: Vec<(&str, &str)> = PACKAGES.iter().copied().filter(|(name, _)| !installed(name)).collect();
    if !exists("dockerd") {
        missing.push(("docker.io", "the container engine"));
    }
    if !missing.is_empty() {
        require_debian()?;
        install_packages(&missing)?;
    }
    install_linker()
}

/// Fails unless this process is root: namespaces, mounts and eBPF need it.
///
/// # Errors
/// The process is not root.
pub fn require_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    bail!("this needs root (network namespaces, mounts, eBPF): run it again with sudo or as root");
}

fn require_debian() -> Result<()> {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let is_debian = text
        .lines()
        .any(|line| line == "ID=debian" || line.starts_with("ID_LIKE=") && line.contains("debian"));
    if is_debian && exists("apt-get") {
        return Ok(());
    }
    bail!(
        "setup installs packages with apt-get and knows Debian 12 only; install by hand: {}",
        package_names()
    )
}

fn package_names() -> String {
    let names: Vec<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
    format!("{} docker.io, and bpf-linker {BPF_LINKER} by cargo", names.join(" "))
}

fn installed(package: &str) -> bool {
    output(&mut command(
        "dpkg-query",
        &["-W", "-f", "${db:Status-Status}", package],
    ))
    .is_ok_and(|status| status == "installed")
}

fn install_packages(missing: &[(&str, &str)]) -> Result<()> {
    for (name, why) in missing {
        println!("setup: installing {name} ({why})");
    }
    if missing.iter().any(|(name, _)| !available(name)) {
        update_lists()?;
    }
    if let Some((name, why)) = missing.iter().find(|(name, _)| !available(name)) {
        bail!("no Debian package {name} ({why}): enable bookworm-security in the apt sources");
    }
    let install = || {
        let mut apt = command("apt-get", &["install", "-y", "-q", "--no-install-recommends"]);
        apt.args(missing.iter().map(|(name, _)| *name));
        run(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // Lists of some age name versions that the archive has no more.
    let retried = install().or_else(|_| update_lists().and_then(|()| install()));
    retried.context("installing the packages above")
}

fn update_lists() -> Result<()> {
    println!("setup: apt-get update");
    run(command("apt-get", &["update", "-q"]).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn available(package: &str) -> bool {
    output(&mut command("apt-cache", &["policy", package]))
        .is_ok_and(|text| text.contains("Candidate:") && !text.contains("Candidate: (none)"))
}

fn install_linker() -> Result<()> {
    let current = output(&mut command("bpf-linker", &["--version"])).unwrap_or_default();
    if current.contains(&format!(" {BPF_LINKER}.")) {
        return Ok(());
    }
    println!("setup: installing bpf-linker {BPF_LINKER} with cargo (about a minute)");
    if !succeeds(&mut command("cargo", &["--version"])) {
        bail!("no cargo on the PATH: install Rust first (https://rustup.rs)");
    }
    let version = format!("~{BPF_LINKER}");
    let args = [
        "install",
        "bpf-linker",
        "--version",
        &version,
        "--no-default-features",
        "--features",
        "llvm-22",
        "--force",
    ];
    run(command("cargo", &args)
        .env("LLVM_PREFIX", LLVM_PREFIX)
        .env_remove("RUSTFLAGS"))
}
