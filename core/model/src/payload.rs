//! Secrets and configs: bytes that the cluster keeps and puts into containers as files.
//!
//! The two differ in who may see the bytes and where they lie on a node; everything else is the same.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Invalid, Name, PayloadId, Timestamp};

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PayloadKind {
    /// Never shown again; in memory only on nodes.
    Secret,
    /// May be read back.
    Config,
}

impl PayloadKind {
    /// `secret` or `config`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Config => "config",
        }
    }

    /// The most bytes that one may have, as Swarm's limits: 500 KiB less one, 1000 KiB.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Secret => 500 * 1024 - 1,
            Self::Config => 1000 * 1024,
        }
    }

    /// Where its file lies in the container if its target is no absolute path.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Secret => "/run/secrets/",
            Self::Config => "/",
        }
    }
}

impl fmt::Display for PayloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The bytes. Shared, and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadBytes(Arc<[u8]>);

impl PayloadBytes {
    /// Takes the bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PayloadBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadBytes({} bytes)", self.0.len())
    }
}

/// What a user gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadSpec {
    /// Unique among the latest ones of its kind.
    pub name: Name,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The bytes are a template that the node fills in for each task (`golang`).
    pub templated: bool,
}

/// A secret or config. The bytes of one never change: new bytes under the same name are another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Its id.
    pub id: PayloadId,
    /// Raft index of the last change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Secret or config.
    pub kind: PayloadKind,
    /// Name, labels.
    pub spec: PayloadSpec,
    /// Counts the ones that had this name, from 1.
    pub generation: u32,
    /// Another one has the name now; this one lives as long as a service or task uses it.
    pub superseded: bool,
    /// The bytes.
    pub bytes: PayloadBytes,
}

/// A secret or config as a file in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRef {
    /// Which.
    pub id: PayloadId,
    /// Its name when it was chosen.
    pub name: Name,
    /// Path of the file; one that is not absolute is under [`PayloadKind::folder`].
    pub target: String,
    /// Owner, a number or a name of the image, as docker takes it.
    pub uid: String,
    /// Group.
    pub gid: String,
    /// Permission bits, `0o444` by default.
    pub mode: u32,
}

impl PayloadRef {
    /// As the short form has it: under its own name, owned by root, readable by all.
    pub fn of(id: PayloadId, name: Name) -> Self {
        Self {
            id,
            target: name.to_string(),
            name,
            uid: "0".to_owned(),
            gid: "0".to_owned(),
            mode: 0o444,
        }
    }

    /// Where the file is in the container.
    pub fn path(&self, kind: PayloadKind) -> String {
        if self.target.starts_with('/') {
            self.target.clone()
        } else {
            format!("{}{}", kind.folder(), self.target)
        }
    }

    pub(crate) fn validate(&self, kind: PayloadKind) -> Result<(), Invalid> {
        let plain = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let climbs = self.target.split('/').any(|part| part == "..");
        let reason = if self.target.is_empty() || self.target.ends_with('/') || climbs || self.target.contains('\0') {
            "the target must name a file and must not climb with \"..\""
        } else if !plain(&self.uid) || !plain(&self.gid) {
            "uid and gid are numbers"
        } else if self.mode > 0o7777 {
            "the mode has permission bits only"
        } else {
            return Ok(());
        };
        Err(Invalid::PayloadTarget {
            kind: kind.word(),
            name: self.name.to_string(),
            reason,
        })
    }
}
