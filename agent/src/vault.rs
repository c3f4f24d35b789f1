//! Secrets and configs of this node's tasks, as files that containers get by bind mounts: in memory only, on a tmpfs of
//! our own, one folder per task. They outlive the daemon, as containers do, and no boot.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use model::{Mount, MountKind, TaskId};
use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
};
use plan::container::FileRequest;

/// Below the daemon's folder for what does not outlive a boot.
const FOLDER: &str = "payloads";

/// See the module. The file system is mounted for the first task that has files.
#[derive(Clone, Debug)]
pub struct Vault {
    root: PathBuf,
    /// Whether it has to be a file system of its own.
    mounted: bool,
}

impl Vault {
    /// Below `run_dir`.
    pub fn new(run_dir: &Path) -> Self {
        Self {
            root: run_dir.join(FOLDER),
            mounted: true,
        }
    }

    /// In an ordinary folder, for tests without the right to mount.
    #[cfg(test)]
    pub fn plain(folder: &Path) -> Self {
        Self {
            root: folder.join(FOLDER),
            mounted: false,
        }
    }

    /// Whether a task's files are here.
    pub fn has(&self, task: TaskId) -> bool {
        self.folder(task).is_dir()
    }

    /// Writes a task's files, and answers with the mounts that put them into its container.
    pub fn write(&self, task: TaskId, files: &[FileRequest]) -> io::Result<Vec<Mount>> {
        self.open()?;
        self.wipe(task)?;
        let folder = self.folder(task);
        private(&folder)?;
        let mounts = files.iter().enumerate().map(|(number, file)| {
            let source = folder.join(number.to_string());
            write(&source, file)?;
            Ok(bind(&source, &file.path, true))
        });
        mounts.collect()
    }

    /// Removes a task's files.
    pub fn wipe(&self, task: TaskId) -> io::Result<()> {
        gone(fs::remove_dir_all(self.folder(task)))
    }

    /// Removes the files of all tasks but these.
    pub fn keep(&self, wanted: impl Fn(TaskId) -> bool) -> io::Result<()> {
        keep_folders(&self.root, wanted)
    }

    /// Removes everything, the file system too.
    pub fn close(&self) -> io::Result<()> {
        if self.is_mounted()? {
            umount2(&self.root, MntFlags::MNT_DETACH)?;
        }
        gone(fs::remove_dir_all(&self.root))
    }

    fn folder(&self, task: TaskId) -> PathBuf {
        self.root.join(task.to_string())
    }

    /// Mounts the file system, unless an earlier run has.
    fn open(&self) -> io::Result<()> {
        if !self.root.is_dir() {
            fs::create_dir_all(self.root.parent().unwrap_or(Path::new("/")))?;
            private(&self.root)?;
        }
        if !self.mounted || self.is_mounted()? {
            return Ok(());
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let tmpfs = |options| mount(Some("netctl"), &self.root, Some("tmpfs"), flags, Some(options));
        // Kernels before 6.4 do not know how to keep one from being swapped out.
        match tmpfs("mode=0700,noswap") {
            Err(Errno::EINVAL) => tmpfs("mode=0700")?,
            outcome => outcome?,
        }
        Ok(())
    }

    fn is_mounted(&self) -> io::Result<bool> {
        let device = |path: &Path| fs::symlink_metadata(path).map(|found| found.dev());
        match device(&self.root) {
            Ok(own) => Ok(self.root.parent().map(device).transpose()? != Some(own)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

/// A file of the host's in a container.
pub(crate) fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        kind: MountKind::Bind {
            propagation: None,
            non_recursive: false,
            create_host_path: false,
        },
        source: source.to_string_lossy().into_owned(),
        target: target.to_owned(),
        read_only,
    }
}

/// Removes the folders of all tasks but these.
pub(crate) fn keep_folders(root: &Path, wanted: impl Fn(TaskId) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let task: Option<TaskId> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if task.is_some_and(|task| !wanted(task)) {
            gone(fs::remove_dir_all(entry.path()))?;
        }
    }
    Ok(())
}

/// What was not there is removed as well.
pub(crate) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, wanted: &FileRequest) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(wanted.bytes.as_bytes())?;
    let found = file.metadata()?;
    if (found.uid(), found.gid()) != (wanted.uid, wanted.gid) {
        fchown(&file, Some(wanted.uid), Some(wanted.gid))?;
    }
    // Last: a change of the owner takes bits away.
    file.set_permissions(Permissions::from_mode(wanted.mode))
}

#[cfg(test)]
mod tests {
    use model::PayloadBytes;

    use super::*;

    #[test]
    fn files_are_written_read_only_mounts_and_wiped() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::plain(folder.path());
        let (task, other) = (TaskId::from_bits(1), TaskId::from_bits(2));
        let own = fs::metadata(folder.path()).unwrap();
        let file = FileRequest {
            path: "/run/secrets/db".to_owned(),
            bytes: PayloadBytes::new(b"hunter2"),
            uid: own.uid(),
            gid: own.gid(),
            mode: 0o440,
        };
        let mounts = vault.write(task, std::slice::from_ref(&file)).unwrap();
        assert_eq!(
            (mounts[0].target.as_str(), mounts[0].read_only),
            ("/run/secrets/db", true)
        );
        assert_eq!(fs::read(&mounts[0].source).unwrap(), b"hunter2");
        assert_eq!(fs::metadata(&mounts[0].source).unwrap().mode() & 0o7777, 0o440);
        assert_eq!(fs::metadata(vault.folder(task)).unwrap().mode() & 0o777, 0o700);
        let again = vault.write(task, std::slice::from_ref(&file)).unwrap();
        assert_eq!(again, mounts, "a container that is there finds them where they were");
        vault.write(other, &[file]).unwrap();
        vault.keep(|id| id == task).unwrap();
        assert!(vault.has(task) && !vault.has(other));
        vault.wipe(task).unwrap();
        vault.wipe(task).unwrap();
        assert!(!vault.has(task));
        vault.close().unwrap();
        assert!(!vault.root.exists());
    }
}
