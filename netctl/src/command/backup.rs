//! `swarm backup|restore`: everything that the managers agree on, to a file and back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use tonic::Code;
use wire::pb;

use crate::{
    args::{BackupArgs, RestoreArgs},
    client::Client,
    command::{
        cluster::{former_managers, initialized},
        lock::read_key,
    },
    failure::Failure,
    terminal::{say, show},
};

/// Bytes of one message to the daemon.
const PART: usize = 1 << 20;

/// A file that takes another one's place when it is whole, and leaves nothing behind otherwise.
struct Draft {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Draft {
    /// Readable by its owner only.
    fn beside(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let path = PathBuf::from(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            path,
            file,
            kept: false,
        })
    }

    fn becomes(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        self.kept = true;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes a backup.
pub async fn backup(client: &mut Client, args: &BackupArgs) -> Result<(), Failure> {
    let unwritten = |why: io::Error| Failure::Wrong(format!("cannot write {}: {why}", args.file.display()));
    let mut parts = client.control.backup(pb::BackupRequest {}).await?.into_inner();
    let head = parts.message().await?.unwrap_or_default();
    let mut draft = Draft::beside(&args.file).map_err(unwritten)?;
    let mut written = 0;
    let mut next = Some(head.clone());
    while let Some(part) = next {
        draft.file.write_all(&part.data).map_err(unwritten)?;
        written += part.data.len() as u64;
        next = parts.message().await?;
    }
    if written != head.size || written == 0 {
        let size = head.size;
        let words = format!("the backup ended after {written} of {size} bytes: nothing was written, try again");
        return Err(Failure::Wrong(words));
    }
    draft.becomes(&args.file).map_err(unwritten)?;
    say(&told(&args.file, &head));
    Ok(())
}

fn told(file: &Path, head: &pb::BackupPart) -> String {
    let content = match head.sealed {
        true => "sealed under the unlock key: a restore asks for it, so keep the key elsewhere.",
        false => {
            "in clear: whoever reads the file owns the swarm. Only its owner can (mode 0600); keep it where nobody \
             else can, or turn on autolock, which seals backups as well."
        }
    };
    format!(
        "Backup of swarm {} as of index {} written to {} ({} bytes).\n\
         It holds services, networks, nodes, join tokens and the key of the swarm's authority, {content}",
        head.cluster,
        head.index,
        file.display(),
        head.size,
    )
}

/// Makes a swarm of this node from a backup.
pub async fn restore(client: &mut Client, args: &RestoreArgs) -> Result<(), Failure> {
    let unread = |why: io::Error| Failure::Wrong(format!("cannot read {}: {why}", args.file.display()));
    let file = fs::read(&args.file).map_err(unread)?;
    let answer = match send(client, args, &file, String::new()).await {
        Err(status) if status.code() == Code::Unauthenticated => send(client, args, &file, read_key()?).await?,
        answer => answer?,
    };
    show(&initialized(&answer));
    show(&former_managers(&answer.former_managers));
    Ok(())
}

async fn send(
    client: &mut Client,
    args: &RestoreArgs,
    file: &[u8],
    unlock_key: String,
) -> Result<pb::InitResponse, tonic::Status> {
    let first = pb::RestoreRequest {
        advertise_addr: args.advertise_addr.clone(),
        listen_addr: args.listen_addr.clone(),
        data_path_addr: args.data_path_addr.clone(),
        availability: pb::Availability::from(model::Availability::from(args.availability)).into(),
        unlock_key,
        data: Vec::new(),
    };
    let mut messages = vec![first];
    messages.extend(file.chunks(PART).map(|part| pb::RestoreRequest {
        data: part.to_vec(),
        ..pb::RestoreRequest::default()
    }));
    let answer = client.local.restore(tokio_stream::iter(messages)).await?;
    Ok(answer.into_inner())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_backup_takes_its_place_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        fs::write(&path, "old").unwrap();
        let mut draft = Draft::beside(&path).unwrap();
        draft.file.write_all(b"half").unwrap();
        drop(draft);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut draft = Draft::beside(&path).unwrap();
        draft.file.write_all(b"new").unwrap();
        draft.becomes(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_lies_in_the_file_is_said() {
        let head = |sealed| pb::BackupPart {
            sealed,
            ..Default::default()
        };
        let file = Path::new("b");
        assert!(told(file, &head(false)).contains("in clear: whoever reads the file owns the swarm"));
        assert!(told(file, &head(true)).contains("sealed under the unlock key"));
    }
}
