//! A backup of the cluster in one file: everything that its managers agree on, as of one index of the log. Tokens, the
//! authority's key and the unlock key are in it; while autolock is on it is sealed under the unlock key.
//!
//! Three lines of text, then the state's bytes: what the file is, a header as JSON, and the SHA-256 of all the rest. An
//! operator reads with `head -n 3` whose backup it is.

use model::{ClusterId, Node, Timestamp};
use ring::digest::{Context, SHA256};
use seal::UnlockKey;
use serde::{Deserialize, Serialize};
use store::{CodecError, State, View};
use thiserror::Error;

/// First line.
const MAGIC: &str = "netctl swarm backup";
/// Format that this version reads and writes.
const FORMAT: u32 = 1;
/// Longest header that is looked for, bytes.
const MAX_HEADER: usize = 64 << 10;

/// What a backup says of itself, in clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHeader {
    /// Version of the file's form.
    pub format: u32,
    /// Version of netd that wrote it.
    #[serde(default)]
    pub version: String,
    /// Whose it is.
    #[serde(default)]
    pub cluster: String,
    /// When it was made, nanoseconds since 1970.
    #[serde(default)]
    pub created_at: i64,
    /// Index of the log that it reflects.
    #[serde(default)]
    pub index: u64,
    /// Raft's term then.
    #[serde(default)]
    pub term: u64,
    /// Whether the state is sealed under the cluster's unlock key.
    #[serde(default)]
    pub sealed: bool,
    /// Bytes behind the third line.
    #[serde(default)]
    pub bytes: u64,
}

/// A backup that was opened.
#[derive(Clone, Debug)]
pub struct Backup {
    /// What it says of itself.
    pub header: BackupHeader,
    /// The cluster's state.
    pub(crate) state: State,
}

/// Bytes that cannot be restored.
#[derive(Debug, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum BackupError {
    #[error("this is no backup of a swarm: use a file that \"netctl swarm backup\" wrote")]
    NotOurs,
    #[error(
        "this backup has format {found}, written by netd {version}; this netd reads format {FORMAT}: restore it with the version that wrote it"
    )]
    Format { found: u32, version: String },
    #[error("this backup is cut short: {found} of its {wanted} bytes are there. Use another copy; nothing was changed")]
    CutShort { found: u64, wanted: u64 },
    #[error("this backup is damaged: {0}. Use another copy; nothing was changed")]
    Damaged(String),
    #[error("this backup is sealed: give the unlock key that the swarm had when it was made")]
    Sealed,
    #[error(
        "invalid key could not be used to decrypt data: this is not the unlock key that the swarm had when the backup was made"
    )]
    WrongKey,
    #[error(transparent)]
    State(#[from] CodecError),
    #[error("there is no swarm yet to make a backup of")]
    NoCluster,
}

fn damaged(why: impl ToString) -> BackupError {
    BackupError::Damaged(why.to_string())
}

/// What is sealed is bound to what it is, and to the swarm.
fn place(cluster: &str) -> Vec<u8> {
    format!("{MAGIC} {cluster}").into_bytes()
}

fn checksum(header: &str, content: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(header.as_bytes());
    context.update(b"\n");
    context.update(content);
    let digest = context.finish();
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Backup {
    /// The file's bytes for the state as it is in `view`; `unlock` seals it. `at` and `term` are now's.
    pub fn pack(view: &View, term: u64, at: Timestamp, unlock: Option<&UnlockKey>) -> Result<Vec<u8>, BackupError> {
        let cluster = view.cluster().ok_or(BackupError::NoCluster)?.id.to_string();
        let plain = view.encode()?;
        let content = match unlock {
            Some(unlock) => unlock.key().seal(&place(&cluster), &plain),
            None => plain,
        };
        let header = BackupHeader {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster,
            created_at: at.0,
            index: view.applied(),
            term,
            sealed: unlock.is_some(),
            bytes: content.len() as u64,
        };
        let header = serde_json::to_string(&header).map_err(damaged)?;
        let sum = checksum(&header, &content);
        Ok([format!("{MAGIC}\n{header}\n{sum}\n").as_bytes(), &content].concat())
    }

    /// Reads a file's bytes, checks that they are whole, and opens what is sealed.
    pub fn open(bytes: &[u8], unlock: Option<&UnlockKey>) -> Result<Self, BackupError> {
        let (header, content) = parts(bytes)?;
        let plain = match (header.sealed, unlock) {
            (false, _) => content.to_vec(),
            (true, None) => return Err(BackupError::Sealed),
            (true, Some(unlock)) => {
                let opened = unlock.key().open(&place(&header.cluster), content);
                opened.map_err(|_| BackupError::WrongKey)?
            }
        };
        let state = State::decode(&plain)?;
        let found = state.cluster().map(|cluster| cluster.id.to_string());
        match found {
            Some(found) if found == header.cluster => Ok(Self { header, state }),
            _ => Err(damaged("its header is of another swarm than its content")),
        }
    }

    /// Whose it is.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.state.cluster().map(|cluster| cluster.id)
    }

    /// Host names of those that were its managers.
    pub fn managers(&self) -> Vec<String> {
        self.state.managers().map(Node::hostname).collect()
    }

    /// UDP port of the swarm's tunnels.
    pub fn data_port(&self) -> u16 {
        let settings = self.state.cluster().map(|cluster| cluster.settings.data_port);
        settings.unwrap_or(model::ClusterSettings::default().data_port)
    }
}

/// The checked header and what follows it.
fn parts(bytes: &[u8]) -> Result<(BackupHeader, &[u8]), BackupError> {
    let (magic, rest) = line(bytes).ok_or(BackupError::NotOurs)?;
    if magic != MAGIC {
        return Err(BackupError::NotOurs);
    }
    let short = || damaged("it ends within its header");
    let (text, rest) = line(rest).ok_or_else(short)?;
    let header: BackupHeader = serde_json::from_str(text).map_err(|_| damaged("its header is not readable"))?;
    if header.format != FORMAT {
        let BackupHeader {
            format: found, version, ..
        } = header;
        return Err(BackupError::Format { found, version });
    }
    let (sum, content) = line(rest).ok_or_else(short)?;
    let (found, wanted) = (content.len() as u64, header.bytes);
    if found < wanted {
        return Err(BackupError::CutShort { found, wanted });
    }
    if sum != checksum(text, content) {
        return Err(damaged("its checksum does not fit its content"));
    }
    Ok((header, content))
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().take(MAX_HEADER).position(|byte| *byte == b'\n')?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    Some((text, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use model::{Cluster, ClusterSecrets, ClusterSettings, RequestId};
    use store::{Command, Entry};

    use super::*;

    fn view() -> View {
        let cluster = Cluster {
            id: ClusterId::from_bits(5),
            version: 0,
            created_at: Timestamp(1),
            settings: ClusterSettings::default(),
            root_ca: "root".into(),
            secrets: ClusterSecrets {
                worker_token: "worker token".into(),
                manager_token: "manager token".into(),
                root_ca_key: "root key".into(),
                unlock_key: String::new(),
            },
        };
        let mut state = State::default();
        let request = RequestId::from_bits(1);
        let command = Command::InitCluster(Box::new(cluster));
        state.apply(7, Entry { request, command }).unwrap();
        state
    }

    fn packed(unlock: Option<&UnlockKey>) -> Vec<u8> {
        Backup::pack(&view(), 3, Timestamp(9), unlock).unwrap()
    }

    #[test]
    fn a_backup_opens_as_what_it_was() {
        let bytes = packed(None);
        let backup = Backup::open(&bytes, None).unwrap();
        assert_eq!((backup.state, backup.header.index, backup.header.term), (view(), 7, 3));
        let unlock = UnlockKey::fresh();
        let sealed = packed(Some(&unlock));
        assert!(!sealed.windows(8).any(|part| part == b"root key"));
        assert!(matches!(Backup::open(&sealed, None), Err(BackupError::Sealed)));
        let wrong = Backup::open(&sealed, Some(&UnlockKey::fresh()));
        assert!(matches!(wrong, Err(BackupError::WrongKey)));
        assert_eq!(Backup::open(&sealed, Some(&unlock)).unwrap().state, view());
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        for bytes in [packed(None), packed(Some(&UnlockKey::fresh()))] {
            for at in 0..bytes.len() {
                let cut = Backup::open(&bytes[..at], None).unwrap_err();
                assert!(
                    !matches!(cut, BackupError::State(_) | BackupError::Sealed),
                    "cut at {at}: {cut}"
                );
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                let error = Backup::open(&changed, None).unwrap_err();
                assert!(!matches!(error, BackupError::State(_)), "byte {at}: {error}");
            }
            let longer = Backup::open(&[&bytes[..], b"x"].concat(), None);
            assert!(matches!(longer, Err(BackupError::Damaged(_))));
        }
    }

    #[test]
    fn another_format_and_other_files_are_told_apart() {
        let later = format!("{MAGIC}\n{{\"format\":2,\"version\":\"9.1\",\"new\":1}}\nx\n");
        let error = Backup::open(later.as_bytes(), None).unwrap_err().to_string();
        assert!(error.contains("format 2") && error.contains("9.1"), "{error}");
        for other in [&b""[..], b"\x7fELF\n", b"{}", &[0; 100_000]] {
            assert!(matches!(Backup::open(other, None), Err(BackupError::NotOurs)));
        }
    }
}
