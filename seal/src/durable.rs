//! Replaces a file on disk so that a cut at any moment leaves either the old content or the new one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Writes `content` to `path` (mode `mode`), replacing what is there: temporary file, fsync, rename, fsync of the folder.
/// The folder is made when missing, to stay.
pub fn replace(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .ok_or_else(|| io::Error::other(format!("{} has no parent folder", path.display())))?;
    make(folder, &sync)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    // A leftover of an earlier cut may have another mode.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync(folder)
}

/// Waits until the names in a folder are on the disk as they are now.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder, and those above it. A new one is on the disk only when `sync` was called for the one that it is in.
fn make(folder: &Path, sync: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent() else {
        return fs::create_dir(folder);
    };
    make(parent, sync)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync(parent),
    }
}

/// Reads a whole file; `None` if there is none.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_replaced_file_has_the_new_content_and_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/key");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, 0o644, b"old").unwrap();
        replace(&path, 0o600, b"new").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_folder_is_written_into_the_one_that_it_is_in() {
        let root = tempfile::tempdir().unwrap();
        let (outer, inner) = (root.path().join("raft"), root.path().join("raft/inner"));
        let synced = RefCell::new(Vec::new());
        let note = |folder: &Path| {
            synced.borrow_mut().push(folder.to_owned());
            Ok(())
        };
        make(&inner, &note).unwrap();
        make(&inner, &note).unwrap();
        assert_eq!(*synced.borrow(), [root.path(), outer.as_path()]);
    }
}
