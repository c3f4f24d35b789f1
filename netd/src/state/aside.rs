//! How the state of a manager that raft has let go is forgotten, so that a cut at any moment leaves a node that can be
//! told to be a manager again: the folder is renamed, `node.json` says that the node is none, the folder goes.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::{NodeState, absent};

/// The folder of a manager, and what it is called once it is not needed any more.
pub(super) const RAFT: &str = "raft";
pub(super) const GONE: &str = "raft.gone";

/// Sets the manager's state aside, for good: this node has none from now on, whatever happens. None is no error.
pub fn set_aside(data_root: &Path) -> Result<()> {
    let (raft, gone) = (data_root.join(RAFT), data_root.join(GONE));
    if !raft.exists() {
        return Ok(());
    }
    drop_aside(data_root)?;
    let renamed = fs::rename(&raft, gone).and_then(|()| fs::File::open(data_root)?.sync_all());
    renamed.with_context(|| format!("cannot set {} aside", raft.display()))
}

/// Removes what was set aside.
pub fn drop_aside(data_root: &Path) -> Result<()> {
    let gone = data_root.join(GONE);
    absent(fs::remove_dir_all(&gone), &gone)
}

impl NodeState {
    /// Goes on with forgetting a manager where an earlier run of the daemon was cut short.
    pub fn settle(&mut self, data_root: &Path) -> Result<()> {
        let gone = data_root.join(GONE).exists();
        if gone && self.manager && !data_root.join(RAFT).exists() {
            self.manager = false;
            self.save(data_root)?;
        }
        drop_aside(data_root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::state;

    #[test]
    fn a_manager_that_is_forgotten_halfway_is_none_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut place = state();
        place.manager = true;
        place.save(root).unwrap();
        fs::create_dir(root.join(RAFT)).unwrap();
        fs::write(root.join(RAFT).join("raft.redb"), "the log").unwrap();
        place.settle(root).unwrap();
        assert!(place.manager && root.join(RAFT).exists(), "nothing was begun");
        // What an attempt before has left is in nobody's way.
        fs::create_dir(root.join(GONE)).unwrap();
        fs::write(root.join(GONE).join("keys"), "older").unwrap();
        set_aside(root).unwrap();
        set_aside(root).unwrap();
        assert!(root.join(GONE).join("raft.redb").exists() && !root.join(RAFT).exists());
        let mut again = NodeState::load(root).unwrap().unwrap();
        assert!(again.manager, "cut here");
        again.settle(root).unwrap();
        assert!(!again.manager && !NodeState::load(root).unwrap().unwrap().manager);
        assert!(!root.join(GONE).exists());
    }

    #[test]
    fn a_manager_that_came_after_one_that_was_forgotten_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut place = state();
        place.manager = true;
        fs::create_dir(root.join(GONE)).unwrap();
        fs::create_dir(root.join(RAFT)).unwrap();
        place.settle(root).unwrap();
        assert!(place.manager && root.join(RAFT).exists() && !root.join(GONE).exists());
    }
}
