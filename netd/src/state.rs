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

fn path(data_root: &Path) -> PathBuf {
    data_root.join("node.json")
}
