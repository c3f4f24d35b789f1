//! The lab's images: one tar each, made from static binaries and busybox, and
//! imported into every node's engine. No registry takes part.

use super::layout::Node;
use super::place::Place;
use super::state::Record;
use crate::process::{command, output, run};
use crate::{binaries, repo};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Image with busybox and the probe.
pub const TOOLS: &str = "netctl/tools:latest";
/// The image of the day's web page.
pub const WEB: &str = "netctl/iotd-web:latest";
/// Its API.
pub const API: &str = "netctl/iotd-api:latest";
/// Its access log.
pub const ACCESS_LOG: &str = "netctl/accesslog:latest";

const BUSYBOX: &str = "/bin/busybox";

/// Image, the example's binary in it, and its configuration.
const IMAGES: &[(&str, &str, &str)] = &[
    (WEB, "iotd-web", "ENTRYPOINT [\"/bin/iotd-web\"]"),
    (API, "iotd-api", "ENTRYPOINT [\"/bin/iotd-api\"]"),
    (ACCESS_LOG, "accesslog", "ENTRYPOINT [\"/bin/accesslog\"]"),
    (TOOLS, "probe", "CMD [\"sleep\", \"infinity\"]"),
];

/// The probe as a program for places that are no containers.
pub fn probe() -> PathBuf {
    repo::target().join("images/probe/bin/probe")
}

/// Builds the tars; returns their folder.
///
/// # Errors
/// A build fails, or busybox is not there.
pub fn build() -> Result<PathBuf> {
    let programs = binaries::build_examples()?;
    let folder = repo::target().join("images");
    for (image, program, _) in IMAGES {
        let tree = folder.join(program);
        if tree.exists() {
            std::fs::remove_dir_all(&tree)?;
        }
        std::fs::create_dir_all(tree.join("bin"))?;
        std::fs::create_dir_all(tree.join("tmp"))?;
        std::fs::copy(programs.join(program), tree.join("bin").join(program))?;
        if *image == TOOLS {
            add_busybox(&tree.join("bin"))?;
        }
        pack(&tree, &tar(&folder, program))?;
    }
    Ok(folder)
}

/// Imports all images into a node's engine.
///
/// # Errors
/// The engine refuses one.
pub fn import(record: &Record, node: Node, folder: &Path) -> Result<()> {
    for (image, program, change) in IMAGES {
        let words = ["docker", "import", "-c", change, "-c", "ENV PATH=/bin", "-", image];
        let mut import = Place::Node(node).command(record, &words)?;
        import.stdin(File::open(tar(folder, program))?);
        let done = import
            .output()
            .with_context(|| format!("importing {image} on {}", node.name()))?;
        if !done.status.success() {
            bail!("importing {image} on {}: {}", node.name(), crate::process::said(&done));
        }
    }
    Ok(())
}

fn tar(folder: &Path, program: &str) -> PathBuf {
    folder.join(format!("{program}.tar"))
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

fn pack(tree: &Path, tar: &Path) -> Result<()> {
    let mut pack = command("tar", &["--owner=0", "--group=0", "-c", "-f"]);
    run(pack.arg(tar).arg("-C").arg(tree).arg("."))
}
