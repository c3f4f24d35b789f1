//! What the daemon keeps of the node's place in a cluster, so that it finds its way back after a restart:
//! `<data-root>/node.json`. Written last by `init` and `join`, removed first by `leave`: without it the node is inactive.
//!
//! While one of the three is under way there is a mark beside it. What lies under the data root without `node.json` is
//! swept away only if there is that mark: anything else may be the only copy of a cluster's state.

mod aside;

use std::{
    fs,
    io::{self, ErrorKind, Write},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub use aside::{drop_aside, set_aside};

const FORMAT: u32 = 1;
/// The mark.
const UNFINISHED: &str = "node.unfinished";
/// What a cluster has under the data root, besides `node.json`.
const FOLDERS: [&str; 6] = [
    "identity",
    "identity.new",
    "identity.old",
    aside::RAFT,
    aside::GONE,
    "agent",
];

/// The node's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeState {
    format: u32,
    /// What the others are told: address, and control port if this is a manager.
    pub advertise_addr: SocketAddr,
    /// Where the control port is bound, if this is a manager.
    pub listen_addr: SocketAddr,
    /// Tunnel endpoint.
    pub data_path_addr: IpAddr,
    /// Whether this node is a manager.
    pub manager: bool,
    /// Highest raft id that a manager of this node had; 0: none, or not known. Never taken again.
    #[serde(default)]
    pub last_member: u64,
    /// Control ports of managers that were known last.
    pub managers: Vec<SocketAddr>,
    /// What the user typed as `--advertise-addr`; empty: nothing.
    #[serde(default)]
    pub advertise_given: String,
    /// What the user typed as `--data-path-addr`; empty: nothing.
    #[serde(default)]
    pub data_path_given: String,
    /// Where managers may be as an operator said, `HOST:PORT`; the latest first.
    #[serde(default)]
    pub peers: Vec<String>,
}

impl NodeState {
    /// A place in this version's format.
    pub fn new(advertise_addr: SocketAddr, listen_addr: SocketAddr, data_path_addr: IpAddr) -> Self {
        Self {
            format: FORMAT,
            advertise_addr,
            listen_addr,
            data_path_addr,
            manager: false,
            last_member: 0,
            managers: Vec::new(),
            advertise_given: String::new(),
            data_path_given: String::new(),
            peers: Vec::new(),
        }
    }

    /// Whether there is something to read.
    pub fn exists(data_root: &Path) -> bool {
        path(data_root).exists()
    }

    /// Reads it; `None` if this node is in no cluster.
    pub fn load(data_root: &Path) -> Result<Option<Self>> {
        let path = path(data_root);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let state: Self = serde_json::from_str(&text).with_context(|| format!("{} is not readable", path.display()))?;
        if state.format != FORMAT {
            bail!(
                "{} has format {}, this version reads {FORMAT}: upgrade netd",
                path.display(),
                state.format
            );
        }
        Ok(Some(state))
    }

    /// Writes it, whole or not at all.
    pub fn save(&self, data_root: &Path) -> Result<()> {
        let (path, draft) = (path(data_root), data_root.join("node.json.new"));
        let write = || {
            fs::create_dir_all(data_root)?;
            let mut file = fs::File::create(&draft)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            fs::File::open(data_root)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Forgets it.
    pub fn remove(data_root: &Path) -> Result<()> {
        let path = path(data_root);
        absent(fs::remove_file(&path), &path)
    }
}

/// Begins an `init` or a `join`. What one of ours that was cut short left goes; refused if there is anything else of a
/// cluster, and nothing is touched then.
pub fn begin(data_root: &Path) -> Result<()> {
    if !data_root.join(UNFINISHED).exists() {
        let has_content =
            |folder: &&str| fs::read_dir(data_root.join(folder)).is_ok_and(|mut all| all.next().is_some());
        let found: Vec<_> = FOLDERS.into_iter().filter(has_content).collect();
        if !found.is_empty() {
            let (root, found) = (data_root.display(), found.join(", "));
            bail!(
                "{root} has the state of an earlier swarm ({found}) without the file node.json that says how this node \
                 was part of it. Put {root}/node.json back and start netd again; or, if that swarm is not needed any \
                 more, move it away first: mv {root} {root}.old"
            );
        }
    }
    sweep(data_root)?;
    mark(data_root)
}

/// Ends what [`begin`] began: from now on nothing here is swept away unasked.
pub fn finish(data_root: &Path) -> Result<()> {
    absent(fs::remove_file(data_root.join(UNFINISHED)), &data_root.join(UNFINISHED))
}

fn mark(data_root: &Path) -> Result<()> {
    let mark = data_root.join(UNFINISHED);
    let write = || {
        fs::create_dir_all(data_root)?;
        fs::File::create(&mark)?.sync_all()?;
        fs::File::open(data_root)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", mark.display()))
}

/// Forgets all that a cluster left under `data_root`, what is said here first. Other files there are not ours.
pub fn sweep(data_root: &Path) -> Result<()> {
    if let Err(error) = mark(data_root) {
        tracing::warn!(
            error = format!("{error:#}"),
            "if this is cut short, what is left must be removed by hand"
        );
    }
    NodeState::remove(data_root)?;
    for folder in FOLDERS {
        let folder = data_root.join(folder);
        absent(fs::remove_dir_all(&folder), &folder)?;
    }
    finish(data_root)
}

/// What was to be removed is not there: as good as removed.
fn absent(removed: io::Result<()>, path: &Path) -> Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn path(data_root: &Path) -> PathBuf {
    data_root.join("node.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn state() -> NodeState {
        let addr: SocketAddr = "192.0.2.1:2377".parse().unwrap();
        NodeState::new(addr, "0.0.0.0:2377".parse().unwrap(), addr.ip())
    }

    #[test]
    fn a_place_survives_on_disk_until_it_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("netctl");
        assert_eq!(NodeState::load(&root).unwrap(), None);
        state().save(&root).unwrap();
        for folder in ["raft", "identity", "identity.new", "identity.old"] {
            fs::create_dir(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("node.key"), "secret").unwrap();
        }
        fs::write(root.join("notes"), "the operator's own").unwrap();
        assert_eq!(NodeState::load(&root).unwrap(), Some(state()));
        sweep(&root).unwrap();
        assert_eq!(NodeState::load(&root).unwrap(), None);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
    }

    #[test]
    fn what_an_init_or_join_left_is_swept_and_anything_else_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let log = root.join("raft").join("raft.redb");
        begin(root).unwrap();
        fs::create_dir(root.join("raft")).unwrap();
        fs::write(&log, "cut short").unwrap();
        begin(root).unwrap();
        assert!(!log.exists());
        fs::create_dir(root.join("raft")).unwrap();
        fs::write(&log, "whole").unwrap();
        finish(root).unwrap();
        let refused = begin(root).unwrap_err().to_string();
        for word in [root.to_str().unwrap(), "(raft)", "node.json", "mv "] {
            assert!(refused.contains(word), "{refused}");
        }
        assert_eq!(fs::read_to_string(&log).unwrap(), "whole");
        fs::remove_file(&log).unwrap();
        begin(root).unwrap();
    }

    #[test]
    fn a_later_format_and_damage_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["{", "{\"format\":1}"] {
            fs::write(path(folder.path()), text).unwrap();
            assert!(NodeState::load(folder.path()).is_err(), "{text}");
        }
        let mut later = state();
        later.format = FORMAT + 1;
        later.save(folder.path()).unwrap();
        let error = NodeState::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("upgrade netd"), "{error}");
    }
}
