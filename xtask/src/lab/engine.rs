//! One node's machine: the holder of its namespaces, its private file systems
//! and its Docker Engine.
//!
//! The node sees the machine's files, but has its own `/run` (sockets, engine
//! state, lock files), `/dev/shm`, `/var/lib` (disk), `/etc` (an overlay) and bpffs.

use super::layout::{CLIENT_ADDRESS, Node};
use super::place::Place;
use super::state::{Flavour, Record};
use super::{cgroup, wait};
use crate::process::{command, output, succeeds};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

const ENGINE_DEADLINE: Duration = Duration::from_secs(30);
const HOLDER_DEADLINE: Duration = Duration::from_secs(5);

/// Mounts of a node; `$1` is its disk, `$2` its name, `$3` its name server. The disk
/// lies below `/var/lib`, so that one is covered last.
const HOLDER: &str = "set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs tmpfs /dev/shm
mount -t overlay -o lowerdir=/etc,upperdir=\"$1/etc\",workdir=\"$1/work\" overlay /etc
mount --bind \"$1/var-lib\" /var/lib
mount -t bpf bpf /sys/fs/bpf
mkdir -p /run/lock /run/netctl /etc/netctl
hostname \"$2\"
rm -f /etc/hostname /etc/hosts /etc/resolv.conf /etc/docker/daemon.json
echo \"$2\" > /etc/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' \"$2\" > /etc/hosts
echo \"nameserver $3\" > /etc/resolv.conf
touch /run/ready
exec sleep infinity";

/// Starts the process that holds the node's namespaces; returns its id.
///
/// # Errors
/// The process cannot be started or a mount fails (its words are in `holder.log`).
pub fn start_holder(node: Node) -> Result<u32> {
    let disk = node.disk();
    for folder in ["var-lib", "etc", "work"] {
        std::fs::create_dir_all(disk.join(folder))?;
    }
    let entrance = cgroup::entrance(&cgroup::create(&node.namespace())?);
    let net = format!("--net=/run/netns/{}", node.namespace());
    let mut holder = command("nsenter", &[&net, "--", "sh", "-c", "echo 0 > \"$0\" && exec \"$@\""]);
    holder.arg(entrance).args([
        "unshare",
        "--mount",
        "--uts",
        "--propagation",
        "private",
        "sh",
        "-c",
        HOLDER,
        "sh",
    ]);
    holder.arg(&disk).arg(node.name()).arg(CLIENT_ADDRESS.to_string());
    let pid = spawn(&mut holder, node, "holder")?;
    let its_root = std::path::Path::new("/proc").join(pid.to_string()).join("root");
    wait::until(HOLDER_DEADLINE, || its_root.join("run/ready").exists())
        .with_context(|| format!("node {}: see {}/holder.log", node.name(), node.logs().display()))?;
    Ok(pid)
}

/// Starts the node's engine; returns once the process runs (see [`await_engine`]).
///
/// # Errors
/// The process cannot be started.
pub fn start_engine(record: &Record, node: Node) -> Result<u32> {
    let parent = format!("/{}", node.namespace());
    let mut words = vec!["dockerd", "--storage-driver", "overlay2", "--cgroup-parent", &parent];
    words.extend(["--exec-opt", "native.cgroupdriver=cgroupfs"]);
    if record.flavour == Flavour::Bare {
        words.extend([
            "--live-restore",
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
            "--ip-masq=false",
        ]);
    }
    let mut engine = Place::Node(node).command(record, &words)?;
    spawn(&mut engine, node, "engine")
}

/// Waits until the engine answers.
///
/// # Errors
/// It does not within 30 s; its words are in `engine.log`.
pub fn await_engine(record: &Record, node: Node) -> Result<()> {
    let answers = || {
        let version = Place::Node(node).command(record, &["docker", "version"]);
        version.is_ok_and(|mut version| succeeds(&mut version))
    };
    if wait::until(ENGINE_DEADLINE, answers).is_err() {
        bail!(
            "the engine of {} does not answer: see {}/engine.log",
            node.name(),
            node.logs().display()
        );
    }
    Ok(())
}

/// Ends the node's engine as its service manager would; returns when it has gone.
///
/// # Errors
/// It does not run, or does not go within 30 s.
pub fn stop_engine(record: &Record, node: Node) -> Result<()> {
    let line = "kill \"$(cat /var/run/docker.pid)\"";
    output(&mut Place::Node(node).command(record, &["sh", "-c", line])?)?;
    // Its last act is to remove that file.
    let gone = || {
        let file = Place::Node(node).command(record, &["test", "!", "-e", "/var/run/docker.pid"]);
        file.is_ok_and(|mut file| succeeds(&mut file))
    };
    wait::until(ENGINE_DEADLINE, gone).with_context(|| format!("the engine of {} does not end", node.name()))
}

/// Starts a long-lived program of a node in its own process group, with its
/// words appended to `<log>.log`; returns its id.
///
/// # Errors
/// The log or the program cannot be opened.
pub fn spawn(command: &mut Command, node: Node, log: &str) -> Result<u32> {
    std::fs::create_dir_all(node.logs())?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(node.logs().join(format!("{log}.log")))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0);
    // Nobody waits for it: it outlives this process, and init reaps it.
    Ok(command
        .spawn()
        .with_context(|| format!("starting the {log} of {}", node.name()))?
        .id())
}
