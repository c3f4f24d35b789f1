//! Secrets and configs: bytes that the cluster keeps and puts into containers as files.
//!
//! The two differ in who may see the bytes and where they lie on a node; everything else is the same.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Invalid, Name, PayloadId, Scope, Template, Timestamp};

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
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadBytes(Arc<[u8]>);

/// As bytes, where the format knows them: a list of numbers would be twice as long.
impl Serialize for PayloadBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for PayloadBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> de::Visitor<'de> for BytesVisitor {
    type Value = PayloadBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<PayloadBytes, E> {
        Ok(PayloadBytes::new(bytes))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<PayloadBytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(PayloadBytes::new(&bytes))
    }
}

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

impl PayloadSpec {
    /// Checks that `bytes` can be those of a `kind` with this spec: neither none nor too many, and a template if it shall
    /// be one.
    pub fn validate(&self, kind: PayloadKind, bytes: &PayloadBytes) -> Result<(), Invalid> {
        let (length, max) = (bytes.as_bytes().len(), kind.max_bytes());
        if !(1..=max).contains(&length) {
            return Err(Invalid::PayloadSize {
                kind: kind.word(),
                name: self.name.to_string(),
                bytes: length,
                max,
            });
        }
        if !self.templated {
            return Ok(());
        }
        match std::str::from_utf8(bytes.as_bytes()) {
            Ok(text) => Template::parse(text, Scope::Payload).map(drop).map_err(Invalid::from),
            Err(_) => Err(Invalid::Word {
                what: "template",
                text: self.name.to_string(),
                way: "a template is UTF-8 text",
            }),
        }
    }
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
        let plain = |id: &str| id.parse::<u32>().is_ok();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(templated: bool) -> PayloadSpec {
        PayloadSpec {
            name: "db".parse().unwrap(),
            labels: BTreeMap::new(),
            templated,
        }
    }

    #[test]
    fn sizes_are_swarms() {
        let check = |kind, length: usize| spec(false).validate(kind, &PayloadBytes::new(&vec![0; length]));
        assert_eq!(check(PayloadKind::Secret, 500 * 1024 - 1), Ok(()));
        assert_eq!(check(PayloadKind::Config, 1000 * 1024), Ok(()));
        for (kind, length) in [(PayloadKind::Secret, 0), (PayloadKind::Secret, 500 * 1024)] {
            let refused = check(kind, length);
            assert!(matches!(refused, Err(Invalid::PayloadSize { .. })), "{refused:?}");
        }
    }

    #[test]
    fn a_broken_template_is_refused_and_its_bytes_are_not_shown() {
        let bytes = PayloadBytes::new(b"canary {{.Nothing}}");
        assert_eq!(spec(false).validate(PayloadKind::Secret, &bytes), Ok(()));
        let refused = spec(true).validate(PayloadKind::Secret, &bytes).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused:?}");
    }

    #[test]
    fn bytes_are_not_shown_and_stay_the_same() {
        let bytes = PayloadBytes::new(&[0, 1, 255]);
        assert_eq!(format!("{bytes:?}"), "PayloadBytes(3 bytes)");
    }
}
