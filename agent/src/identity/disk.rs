//! The identity on disk: `<data-root>/identity/{format,ca.crt,node.key,node.crt}`, the key readable by root only. On a
//! manager with autolock the key is sealed under a data key of the raft log.
//!
//! Key and certificate belong together, so the folder changes as a whole: a new one is written beside it, its
//! certificate last, and then takes its place. A cut in between is mended by the next load.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use seal::{Keys, durable};

use super::{Identity, IdentityError};

/// Version of the folder's layout.
const FORMAT: &str = "1\n";
const CERTIFICATE: &str = "node.crt";

/// The folder, the one that is about to replace it, and the one that was replaced.
pub(super) struct Folders {
    pub(super) now: PathBuf,
    pub(super) next: PathBuf,
    pub(super) last: PathBuf,
}

impl Folders {
    pub(super) fn below(data_root: &Path) -> Self {
        Self {
            now: data_root.join("identity"),
            next: data_root.join("identity.new"),
            last: data_root.join("identity.old"),
        }
    }

    /// Puts the new folder in place, if it is whole. The one before goes only when `sync` has written the data root: until
    /// then it may be the one that is found after a power cut.
    pub(super) fn swap(&self, sync: impl Fn(&Path) -> io::Result<()>) -> Result<(), IdentityError> {
        if !self.next.join(CERTIFICATE).exists() {
            return Ok(());
        }
        remove(&self.last)?;
        if self.now.exists() {
            fs::rename(&self.now, &self.last).map_err(|e| file(&self.now, e))?;
        }
        fs::rename(&self.next, &self.now).map_err(|e| file(&self.next, e))?;
        let root = self.now.parent().unwrap_or(&self.now);
        sync(root).map_err(|e| file(root, e))?;
        remove(&self.last)
    }
}

impl Identity {
    /// Reads the identity kept under `data_root`; `None` if this node is in no cluster.
    pub fn load(data_root: &Path) -> Result<Option<Self>, IdentityError> {
        let folders = Folders::below(data_root);
        if !folders.now.exists() {
            folders.swap(durable::sync)?;
        }
        let Some(certificate) = read(&folders.now.join(CERTIFICATE))? else {
            return Ok(None);
        };
        let format = folders.now.join("format");
        let found = read(&format)?.unwrap_or_default();
        if found != FORMAT {
            return Err(IdentityError::Format { path: format, found });
        }
        let part = |name: &str| {
            let path = folders.now.join(name);
            read(&path)?.ok_or_else(|| file(&path, io::ErrorKind::NotFound.into()))
        };
        Self::from_pem(certificate, part("node.key")?, part("ca.crt")?).map(Some)
    }

    /// Keeps the identity under `data_root`, its key sealed if there are `keys`. It is what is found there after a power cut,
    /// so that managers may be told of it.
    pub fn save(&self, data_root: &Path, keys: Option<&Keys>) -> Result<(), IdentityError> {
        let folders = Folders::below(data_root);
        let path = folders.now.join("node.key");
        if self.is_sealed() {
            return Err(IdentityError::Sealed { path });
        }
        let covered = keys.map(|keys| seal::cover(&self.key_pem, keys)).transpose();
        let covered = covered.map_err(|why| file(&path, io::Error::other(why)))?;
        let key = covered.as_ref().unwrap_or(&self.key_pem);
        remove(&folders.next)?;
        for (name, mode, content) in [
            ("format", 0o644, FORMAT),
            ("ca.crt", 0o644, &self.ca_pem),
            ("node.key", 0o600, key),
            (CERTIFICATE, 0o644, &self.certificate_pem),
        ] {
            let path = folders.next.join(name);
            durable::replace(&path, mode, content.as_bytes()).map_err(|e| file(&path, e))?;
        }
        folders.swap(durable::sync)
    }
}

fn remove(folder: &Path) -> Result<(), IdentityError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(folder, error)),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Option<String>, IdentityError> {
    let Some(content) = durable::read(path).map_err(|e| file(path, e))? else {
        return Ok(None);
    };
    let text = String::from_utf8(content);
    text.map(Some).map_err(|_| file(path, io::Error::other("not text")))
}

fn file(path: &Path, error: io::Error) -> IdentityError {
    IdentityError::File {
        path: path.to_owned(),
        error,
    }
}
