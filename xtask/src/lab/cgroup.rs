//! The lab's control groups: every process of a node lives below
//! `ntl-lab-<node>` of the cgroup2 tree, which is how `down` finds them all and
//! how the node's socket hooks see them and no others.
//!
//! The engine adds folders of that name to the v1 hierarchies as well.

use super::layout::PREFIX;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const KILL_DEADLINE: Duration = Duration::from_secs(20);

/// Leaf for the processes that are in no container: with controllers enabled,
/// cgroup2 wants processes in leaves only.
const LEAF: &str = "host";

/// Makes the group of `name` and returns its folder in the cgroup2 tree.
///
/// # Errors
/// No cgroup2 tree is mounted, or it cannot be written.
pub fn create(name: &str) -> Result<PathBuf> {
    let Some((_, root)) = hierarchies().into_iter().find(|(kind, _)| kind == "cgroup2") else {
        bail!("no cgroup2 file system is mounted: the kernel needs one for socket hooks");
    };
    let group = root.join(name);
    std::fs::create_dir_all(group.join(LEAF)).with_context(|| format!("making cgroup {}", group.display()))?;
    Ok(group)
}

/// The file that a process writes 0 to in order to join `group`.
pub fn entrance(group: &Path) -> PathBuf {
    group.join(LEAF).join("cgroup.procs")
}

/// Ends every process of every group of the lab and removes the groups.
///
/// # Errors
/// A process outlives SIGKILL, or a folder does not go.
pub fn remove_all() -> Result<()> {
    remove_groups(&lab_groups())
}

/// Ends every process of the group `name` and removes it.
///
/// # Errors
/// As [`remove_all`].
pub fn remove(name: &str) -> Result<()> {
    remove_groups(&named(name))
}

fn remove_groups(groups: &[PathBuf]) -> Result<()> {
    let deadline = Instant::now() + KILL_DEADLINE;
    // Parents (the engine) may start children between two looks: look until none is left.
    loop {
        let alive: Vec<i32> = groups.iter().flat_map(|group| processes(group)).collect();
        if alive.is_empty() {
            break;
        }
        if Instant::now() > deadline {
            bail!("processes of the lab do not end: {alive:?}");
        }
        for pid in alive {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    groups.iter().try_for_each(|group| remove_folder(group, deadline))
}

/// Number of processes in the group `name`.
pub fn population(name: &str) -> usize {
    named(name).iter().flat_map(|group| processes(group)).count()
}

fn named(name: &str) -> Vec<PathBuf> {
    let groups = lab_groups().into_iter();
    groups.filter(|group| group.ends_with(name)).collect()
}

fn hierarchies() -> Vec<(String, PathBuf)> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields
        .filter(|fields| fields.len() > 2 && fields[2].starts_with("cgroup"))
        .map(|fields| (fields[2].to_owned(), PathBuf::from(fields[1])))
        .collect()
}

fn lab_groups() -> Vec<PathBuf> {
    let roots = hierarchies()
        .into_iter()
        .filter_map(|(_, root)| std::fs::read_dir(root).ok());
    roots
        .flat_map(|entries| entries.flatten())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .collect()
}

fn processes(group: &Path) -> Vec<i32> {
    let own = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = own.lines().filter_map(|line| line.parse().ok()).collect();
    pids.extend(subgroups(group).iter().flat_map(|below| processes(below)));
    pids
}

fn subgroups(group: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.path())
        .collect()
}

fn remove_folder(group: &Path, deadline: Instant) -> Result<()> {
    for below in subgroups(group) {
        remove_folder(&below, deadline)?;
    }
    // A group stays busy for a moment after its last process has gone.
    while let Err(error) = std::fs::remove_dir(group) {
        if !group.exists() {
            break;
        }
        if Instant::now() > deadline {
            bail!("removing cgroup {}: {error}", group.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
