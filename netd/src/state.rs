//! What the daemon keeps of the node's place in a cluster, so that it finds its way back after a restart:
//! `<data-root>/node.json`. Written last by `init` and `join`, removed first by `leave`: without it the node is inactive.

use std::{
    fs,
    io::{ErrorKind, Write},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;

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
    /// Control ports of managers that were known last.
    pub managers: Vec<SocketAddr>,
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
            managers: Vec::new(),
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
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Forgets all that a cluster left under `data_root`, what is said here first. Other files there are not ours.
pub fn sweep(data_root: &Path) -> Result<()> {
    NodeState::remove(data_root)?;
    for folder in ["identity", "raft", "agent"] {
        let folder = data_root.join(folder);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", folder.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn path(data_root: &Path) -> PathBuf {
    data_root.join("node.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> NodeState {
        let addr: SocketAddr = "192.0.2.1:2377".parse().unwrap();
        NodeState::new(addr, "0.0.0.0:2377".parse().unwrap(), addr.ip())
    }

    #[test]
    fn a_place_survives_on_disk_until_it_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("netctl");
        assert_eq!(NodeState::load(&root).unwrap(), None);
        state().save(&root).unwrap();
        fs::create_dir(root.join("raft")).unwrap();
        fs::write(root.join("notes"), "the operator's own").unwrap();
        assert_eq!(NodeState::load(&root).unwrap(), Some(state()));
        sweep(&root).unwrap();
        assert_eq!(NodeState::load(&root).unwrap(), None);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
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
