//! The gate: containers come into being without any network of the engine's, and wait here for ours.
//!
//! Each container gets one of its files (`/etc/resolv.conf`, else `/etc/hosts`) by a path through a file system of ours,
//! `<run dir>/gate/<task>/...`, in which every task is a symbolic link to the folder of its files. The runtime resolves
//! that path when it sets up the container's mounts: in the container's network namespace, and before the first
//! instruction of its program. Reading the link takes as long as it takes to put the endpoints there. Who reads it from
//! the host's own namespace, as the engine does to see that the file is there, is answered at once.
//!
//! What is mounted in the end is the file behind the link: a running container has nothing of this file system, and does
//! not notice when the daemon goes. An endpoint that cannot be made is an error of the mount, and the container does not
//! start; the words are kept for whoever asked for the start ([`Papers::refusal`]).

mod doors;
mod papers;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use nix::{
    errno::Errno,
    mount::{MntFlags, umount2},
};

use self::doors::Doors;
pub use self::papers::Papers;
use crate::network::Network;

/// The mounted gate; it goes when this value does. Containers cannot start then.
pub struct Gate {
    path: PathBuf,
    /// There until the end.
    session: Option<BackgroundSession>,
}

impl Gate {
    /// Opens it for the containers that have `papers`. What an earlier run has left mounted is taken away first. Must be
    /// called within a runtime. Needs `/dev/fuse`.
    pub fn open(papers: Papers, network: Arc<dyn Network>) -> io::Result<Self> {
        let path = papers.gate();
        clear(&path)?;
        fs::create_dir_all(&path)?;
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("netctl".to_owned()),
            MountOption::RO,
            MountOption::NoSuid,
            MountOption::NoDev,
            MountOption::NoExec,
        ];
        config.acl = SessionACL::All;
        let session = Session::new(Doors::new(papers, network)?, &path, &config)?;
        Ok(Self {
            path,
            session: Some(session.spawn()?),
        })
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.session.take());
        // The engine may be looking at it just now, which keeps it where it is.
        if let Err(error) = clear(&self.path) {
            tracing::warn!(%error, "the gate of containers stays mounted");
        }
    }
}

/// Takes the file system away, if there is one: that of a daemon that was killed answers nobody any more.
fn clear(path: &Path) -> io::Result<()> {
    match umount2(path, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
