//! The daemon's unix socket: `<run-dir>/netctl.sock`, mode 0660, group `netctl` where there is one. Who can open it rules
//! the cluster, as with the engine's own.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, bail};
use nix::{
    sys::stat::{Mode, umask},
    unistd::{Group, chown},
};
use tokio::net::{UnixListener, UnixStream};

/// Binds the socket; one that a dead daemon left is replaced, a live daemon's is not.
pub async fn bind(path: &Path) -> Result<UnixListener> {
    if UnixStream::connect(path).await.is_ok() {
        bail!("netd is already running: {} answers", path.display());
    }
    let bound = || -> io::Result<UnixListener> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody else may connect before the mode is set.
        let before = umask(Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
        if let Some(group) = Group::from_name("netctl")? {
            chown(path, None, Some(group.gid))?;
        }
        Ok(listener)
    };
    bound().with_context(|| format!("cannot listen on {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_daemons_socket_is_replaced_and_a_live_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/netctl.sock");
        let first = bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let error = bind(&path).await.unwrap_err().to_string();
        assert!(error.contains("already running"), "{error}");
        drop(first);
        bind(&path).await.unwrap();
    }
}
