//! Running a program on a node or on the client: `nsenter` into the namespaces,
//! and into the cgroup by a line of shell before the program is started.
//!
//! Never `ip netns exec`: that remounts /sys and hides cgroups and bpffs.

use super::cgroup;
use super::layout::{CLIENT, Node};
use super::state::Record;
use crate::binaries;
use anyhow::Result;
use std::process::Command;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a node: its network, mounts, host name and cgroup.
    Node(Node),
    /// In the client's network, outside of the cluster.
    Client,
}

impl Place {
    /// A command that runs `words` there; standard streams as the caller sets them.
    ///
    /// # Errors
    /// The lab has no such node.
    pub fn command(self, record: &Record, words: &[&str]) -> Result<Command> {
        let (name, enter) = match self {
            Place::Node(node) => {
                let holder = record.holder(node)?.to_string();
                let enter = ["--target", &holder, "--net", "--mount", "--uts"].map(str::to_owned);
                (node.namespace(), enter.to_vec())
            }
            Place::Client => (CLIENT.to_owned(), vec![format!("--net=/run/netns/{CLIENT}")]),
        };
        let entrance = cgroup::entrance(&cgroup::create(&name)?);
        let mut command = Command::new("nsenter");
        command
            .args(enter)
            .args(["--", "sh", "-c", "echo 0 > \"$0\" && exec \"$@\""]);
        command.arg(entrance).args(words);
        command.env("PATH", path()?).env_remove("DOCKER_HOST");
        Ok(command)
    }
}

/// The PATH with `netctl` and `netd` first.
fn path() -> Result<String> {
    let inherited = std::env::var("PATH").unwrap_or_default();
    Ok(format!(
        "{}:/usr/local/sbin:/usr/sbin:/sbin:{inherited}",
        binaries::daemon_dir()?.display()
    ))
}
