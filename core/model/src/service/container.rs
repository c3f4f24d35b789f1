//! What runs in a task's container.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// What runs in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Image reference as typed.
    pub image: String,
    /// Replaces the image's entrypoint; empty: the image's.
    pub command: Vec<String>,
    /// Arguments; empty: the image's.
    pub args: Vec<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// Container labels.
    pub labels: BTreeMap<String, String>,
    /// Host name; `None`: the engine's choice.
    pub hostname: Option<String>,
    /// Working directory; `None`: the image's.
    pub dir: Option<String>,
    /// User; `None`: the image's.
    pub user: Option<String>,
    /// From SIGTERM to SIGKILL.
    pub stop_grace: Duration,
    /// Base64 JSON of registry credentials, as the engine takes it (`X-Registry-Auth`); `None`: anonymous.
    pub registry_auth: Option<String>,
}

impl ContainerSpec {
    /// Nothing but an image.
    pub fn of(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            labels: BTreeMap::new(),
            hostname: None,
            dir: None,
            user: None,
            stop_grace: Duration::from_secs(10),
            registry_auth: None,
        }
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let image_char = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        let uppercase_name = self.image.rsplit('/').next().is_some_and(|last| {
            last.split([':', '@'])
                .next()
                .is_some_and(|name| name.chars().any(|c| c.is_ascii_uppercase()))
        });
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let shaped = edge(self.image.chars().next()) && edge(self.image.chars().last()) && !self.image.contains("//");
        if !shaped || uppercase_name || !self.image.chars().all(image_char) {
            return Err(Invalid::Image(self.image.clone()));
        }
        match self
            .env
            .iter()
            .find(|e| e.is_empty() || e.starts_with('=') || e.contains('\0'))
        {
            Some(bad) => Err(Invalid::Env(bad.clone())),
            None => Ok(()),
        }
    }
}
