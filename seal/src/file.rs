//! The key file of a manager: its data keys, in clear or sealed under the unlock key. JSON, mode 0600, replaced as a whole.

use std::{
    io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Key, KeyId, Keys, UnlockKey, durable};

const FORMAT: u32 = 1;

/// Keys that cannot be read or kept.
#[derive(Debug, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum KeyFileError {
    #[error("key file {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("there is no key file {}: without it the raft log beside it cannot be read. Restore a backup, or leave and join again", .0.display())]
    Missing(PathBuf),
    #[error("key file {} is damaged ({why}): restore a backup, or leave and join again", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("key file {} has format {found}, this version reads format {FORMAT}: upgrade netd on this manager", path.display())]
    Format { path: PathBuf, found: u32 },
    #[error(
        "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"netctl swarm unlock\" to unlock it."
    )]
    Locked,
    #[error("swarm could not be unlocked: invalid key provided; this is not the unlock key of this swarm's manager")]
    WrongKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    /// Whether the keys are sealed under the unlock key.
    autolock: bool,
    keys: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: u32,
    /// Base64.
    key: String,
}

/// Where a manager's data keys lie.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

fn place(id: u32) -> Vec<u8> {
    format!("netctl data key {id}").into_bytes()
}

impl KeyFile {
    /// At `path`.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn damaged(&self, why: impl ToString) -> KeyFileError {
        KeyFileError::Damaged {
            path: self.path.clone(),
            why: why.to_string(),
        }
    }

    fn content(&self) -> Result<Content, KeyFileError> {
        let io = |error| KeyFileError::Io {
            path: self.path.clone(),
            error,
        };
        let bytes = durable::read(&self.path)
            .map_err(io)?
            .ok_or_else(|| KeyFileError::Missing(self.path.clone()))?;
        let content: Content = serde_json::from_slice(&bytes).map_err(|why| self.damaged(why))?;
        match content.format {
            FORMAT => Ok(content),
            found => Err(KeyFileError::Format {
                path: self.path.clone(),
                found,
            }),
        }
    }

    /// Whether the keys need the unlock key.
    pub fn is_locked(&self) -> Result<bool, KeyFileError> {
        Ok(self.content()?.autolock)
    }

    /// Reads the keys; `unlock` is not used if they lie in clear.
    pub fn load(&self, unlock: Option<&UnlockKey>) -> Result<Keys, KeyFileError> {
        let content = self.content()?;
        let wrap = match (content.autolock, unlock) {
            (true, None) => return Err(KeyFileError::Locked),
            (true, Some(unlock)) => Some(unlock.key()),
            (false, _) => None,
        };
        let mut keys = Vec::new();
        for Row { id, key } in content.keys {
            let mut bytes = BASE64_STANDARD.decode(key).map_err(|why| self.damaged(why))?;
            if let Some(wrap) = wrap {
                bytes = wrap.open(&place(id), &bytes).map_err(|_| KeyFileError::WrongKey)?;
            }
            let key = Key::of(&bytes).ok_or_else(|| self.damaged(format!("key {id} has another length")))?;
            keys.push((KeyId(id), key));
        }
        match keys.is_empty() {
            true => Err(self.damaged("it holds no key")),
            false => Ok(Keys::of(keys)),
        }
    }

    /// Keeps the keys, under `unlock` if there is one.
    pub fn save(&self, keys: &Keys, unlock: Option<&UnlockKey>) -> Result<(), KeyFileError> {
        let row = |(KeyId(id), key): (KeyId, &Key)| {
            let bytes = unlock.map_or_else(
                || key.0.to_vec(),
                |unlock| unlock.key().seal(&place(id), key.0.as_ref()),
            );
            let key = BASE64_STANDARD.encode(bytes);
            Row { id, key }
        };
        let content = Content {
            format: FORMAT,
            autolock: unlock.is_some(),
            keys: keys.iter().map(row).collect(),
        };
        let write = || durable::replace(&self.path, 0o600, &serde_json::to_vec_pretty(&content)?);
        write().map_err(|error| KeyFileError::Io {
            path: self.path.clone(),
            error,
        })
    }

    /// Where the keys lie and what that means, for an operator.
    pub fn in_words(&self) -> Result<String, KeyFileError> {
        let path = self.path.display();
        Ok(match self.is_locked()? {
            true => format!(
                "autolock is on: the key of this manager's log lies in {path}, sealed under the swarm's unlock key"
            ),
            false => format!(
                "autolock is off: the key of this manager's log lies unsealed in {path}. Who reads this disk reads the \
                 swarm's secrets; \"netctl swarm update --autolock\" changes that"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(folder: &tempfile::TempDir) -> KeyFile {
        KeyFile::at(folder.path().join("raft/keys.json"))
    }

    #[test]
    fn keys_lie_in_clear_or_under_the_unlock_key() {
        let folder = tempfile::tempdir().unwrap();
        let (file, keys, unlock) = (file(&folder), Keys::fresh().rotated(), UnlockKey::fresh());
        assert!(matches!(file.load(None), Err(KeyFileError::Missing(_))));
        file.save(&keys, None).unwrap();
        let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(file.load(None).unwrap(), keys);
        assert!(file.in_words().unwrap().contains("unsealed in"));

        file.save(&keys, Some(&unlock)).unwrap();
        assert!(matches!(file.load(None), Err(KeyFileError::Locked)));
        let wrong = file.load(Some(&UnlockKey::fresh()));
        assert!(matches!(wrong, Err(KeyFileError::WrongKey)));
        assert_eq!(file.load(Some(&unlock)).unwrap(), keys);
        assert!(file.in_words().unwrap().contains("sealed under"));
    }

    #[test]
    fn damage_and_other_formats_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        std::fs::create_dir(folder.path().join("raft")).unwrap();
        for (text, words) in [
            ("{", "damaged"),
            ("{\"format\":1,\"autolock\":false,\"keys\":[]}", "no key"),
            (
                "{\"format\":1,\"autolock\":false,\"keys\":[{\"id\":1,\"key\":\"AA==\"}]}",
                "length",
            ),
            ("{\"format\":2,\"autolock\":false,\"keys\":[]}", "upgrade netd"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let error = file.load(None).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("keys.json"), "{error}");
        }
    }
}
