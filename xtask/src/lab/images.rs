//! The lab's images, made from static binaries and busybox into one archive
//! that `docker load` takes, and loaded into every node's engine. No registry
//! takes part.
//!
//! The archive is written by hand because `docker import` cannot set the stop
//! signal: as process 1 without handlers the programs would sit out SIGTERM,
//! and every stop would take the whole grace period.

use super::layout::Node;
use super::place::Place;
use super::state::Record;
use crate::process::{command, output, run};
use crate::{binaries, repo};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Image with busybox and the probe.
pub const TOOLS: &str = "netctl/tools:latest";
/// The image of the day's web page.
pub const WEB: &str = "netctl/iotd-web:latest";
/// Its API.
pub const API: &str = "netctl/iotd-api:latest";
/// Its access log.
pub const ACCESS_LOG: &str = "netctl/accesslog:latest";
/// A server that ends as it should: answers after SIGTERM what was asked, then goes.
pub const STEADY: &str = "netctl/steady:1";
/// The same under another name, for updates.
pub const STEADY_2: &str = "netctl/steady:2";

const BUSYBOX: &str = "/bin/busybox";

/// An image, and the example's binary in it.
struct Image {
    names: &'static [&'static str],
    program: &'static str,
    /// Whether the program ends by itself when it is asked to.
    ends: bool,
}

const IMAGES: &[Image] = &[
    Image::killed(&[WEB], "iotd-web"),
    Image::killed(&[API], "iotd-api"),
    Image::killed(&[ACCESS_LOG], "accesslog"),
    Image::killed(&[TOOLS], "probe"),
    Image {
        names: &[STEADY, STEADY_2],
        program: "steady",
        ends: true,
    },
];

impl Image {
    const fn killed(names: &'static [&'static str], program: &'static str) -> Self {
        Self {
            names,
            program,
            ends: false,
        }
    }

    fn is_tools(&self) -> bool {
        self.names.contains(&TOOLS)
    }
}

/// The probe as a program for places that are no containers.
pub fn probe() -> PathBuf {
    folder().join("probe/tree/bin/probe")
}

/// Builds the archive; returns its path.
///
/// # Errors
/// A build fails, or busybox is not there.
pub fn build() -> Result<PathBuf> {
    let programs = binaries::build_examples()?;
    let folder = folder();
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let entries = IMAGES.iter().map(|image| stage(&folder, &programs, image));
    let manifest: Vec<Value> = entries.collect::<Result<_>>()?;
    std::fs::write(folder.join("manifest.json"), serde_json::to_vec(&manifest)?)?;
    let archive = repo::target().join("images.tar");
    let mut pack = command("tar", &["--exclude=tree", "-c", "-f"]);
    run(pack.arg(&archive).arg("-C").arg(&folder).arg("."))?;
    Ok(archive)
}

/// Loads all images into a node's engine.
///
/// # Errors
/// The engine refuses them.
pub fn load(record: &Record, node: Node, archive: &Path) -> Result<()> {
    let archive = archive.display().to_string();
    let mut load = Place::Node(node).command(record, &["docker", "load", "-q", "-i", &archive])?;
    output(&mut load).with_context(|| format!("loading the images on {}", node.name()))?;
    Ok(())
}

fn folder() -> PathBuf {
    repo::target().join("images")
}

/// Stages one image: tree, layer and configuration; returns its manifest entry.
fn stage(folder: &Path, programs: &Path, image: &Image) -> Result<Value> {
    let program = image.program;
    let tree = folder.join(program).join("tree");
    std::fs::create_dir_all(tree.join("bin"))?;
    std::fs::create_dir_all(tree.join("tmp"))?;
    std::fs::copy(programs.join(program), tree.join("bin").join(program))?;
    if image.is_tools() {
        add_busybox(&tree.join("bin"))?;
    }
    let layer = folder.join(program).join("layer.tar");
    run(command("tar", &["--owner=0", "--group=0", "-c", "-f"])
        .arg(&layer)
        .arg("-C")
        .arg(&tree)
        .arg("."))?;
    let digest = output(command("sha256sum", &["-b"]).arg(&layer))?;
    let digest = digest
        .split_whitespace()
        .next()
        .context("sha256sum says nothing")?
        .to_owned();
    std::fs::write(
        folder.join(format!("{program}.json")),
        serde_json::to_vec(&configuration(image, &digest))?,
    )?;
    Ok(json!({
        "Config": format!("{program}.json"),
        "RepoTags": image.names,
        "Layers": [format!("{program}/layer.tar")],
    }))
}

/// The image's configuration in the engine's own words.
fn configuration(image: &Image, layer_digest: &str) -> Value {
    let signal = if image.ends { "SIGTERM" } else { "SIGKILL" };
    let (entry, words) = match image.is_tools() {
        true => (Value::Null, json!(["sleep", "infinity"])),
        false => (json!([format!("/bin/{}", image.program)]), Value::Null),
    };
    json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Env": ["PATH=/bin"], "Entrypoint": entry, "Cmd": words, "StopSignal": signal },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
    })
}

fn add_busybox(bin: &Path) -> Result<()> {
    std::fs::copy(BUSYBOX, bin.join("busybox")).context("no static busybox: run cargo xtask setup")?;
    for applet in output(&mut command(BUSYBOX, &["--list"]))?.lines() {
        if applet != "busybox" {
            std::os::unix::fs::symlink("busybox", bin.join(applet))?;
        }
    }
    Ok(())
}
