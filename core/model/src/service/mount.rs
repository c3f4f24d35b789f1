//! What is mounted into a task's container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// How mounts beneath a bind mount travel, as `mount(2)` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the kernel's own words")]
pub enum Propagation {
    Private,
    Rprivate,
    Shared,
    Rshared,
    Slave,
    Rslave,
}

/// A driver of the engine and its options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// Its name; empty: the engine's default.
    pub name: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// A path of the host.
    Bind {
        /// `None`: the engine's default, `rprivate`.
        propagation: Option<Propagation>,
        /// Mounts beneath it are left out.
        non_recursive: bool,
        /// The path is made if it is not there.
        create_host_path: bool,
    },
    /// A volume of the node's engine, made when it is first used.
    Volume {
        /// What the image has at the target is not copied into a new volume.
        no_copy: bool,
        /// Labels of a new volume.
        labels: BTreeMap<String, String>,
        /// Driver of a new volume; `None`: the engine's default.
        driver: Option<Driver>,
        /// Only this part of it; empty: all.
        subpath: String,
    },
    /// Memory that goes with the container.
    Tmpfs {
        /// Bytes; 0: no limit.
        size_bytes: i64,
        /// Mode of its root; 0: 1777, octal.
        mode: u32,
    },
    /// The files of an image.
    Image {
        /// Only this part of it; empty: all.
        subpath: String,
    },
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What.
    pub kind: MountKind,
    /// Path of the host, name of the volume or image; may hold templates. Empty: an anonymous volume, or none needed.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Not to be written.
    pub read_only: bool,
}

impl Mount {
    /// See [`super::ContainerSpec::templates_mut`].
    pub(super) fn templates_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let (labels, options) = match &mut self.kind {
            MountKind::Volume { labels, driver, .. } => {
                (Some(labels), driver.as_mut().map(|driver| &mut driver.options))
            }
            _ => (None, None),
        };
        let volume = labels.into_iter().chain(options).flat_map(BTreeMap::values_mut);
        std::iter::once(&mut self.source).chain(volume)
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let refuse = |reason| {
            Err(Invalid::Mount {
                target: self.target.clone(),
                reason,
            })
        };
        if !self.target.starts_with('/') {
            return refuse("the target must be an absolute path in the container");
        }
        match &self.kind {
            MountKind::Bind { .. } if !self.source.starts_with('/') && !self.source.starts_with("{{") => {
                refuse("the source of a bind mount must be an absolute path of the host")
            }
            MountKind::Tmpfs { .. } if !self.source.is_empty() => refuse("a tmpfs mount has no source"),
            MountKind::Tmpfs { size_bytes, .. } if *size_bytes < 0 => refuse("its size cannot be negative"),
            MountKind::Image { .. } if self.source.is_empty() => refuse("an image mount needs an image as source"),
            _ => Ok(()),
        }
    }
}
