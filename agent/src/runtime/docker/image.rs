//! Gets images: when they are missing, or always, and each of them once however many tasks wait for it.

use std::{collections::BTreeMap, time::Duration};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bollard::{
    auth::DockerCredentials, errors::Error, models::CreateImageInfo, query_parameters::CreateImageOptionsBuilder,
};
use futures::TryStreamExt;
use model::{ContainerSpec, MountKind, PullPolicy};
use tokio::time::Instant;

use super::{
    DockerRuntime, RuntimeError,
    pulls::{self, Said},
};
use crate::runtime::Waiter;

/// Least span between two reports of how far a pull is: each becomes an entry of the managers' log.
const REST: Duration = Duration::from_secs(2);

impl DockerRuntime {
    /// Sees to it that the images of a container are here, its own and those that it mounts.
    pub(super) async fn ensure_images(&self, spec: &ContainerSpec, waiter: Waiter<'_>) -> Result<(), RuntimeError> {
        self.ensure_image(&spec.image, spec, waiter).await?;
        let mounts = spec.mounts.iter();
        for mount in mounts.filter(|mount| matches!(mount.kind, MountKind::Image { .. })) {
            self.ensure_image(&mount.source, spec, waiter).await?;
        }
        Ok(())
    }

    async fn ensure_image(&self, image: &str, spec: &ContainerSpec, waiter: Waiter<'_>) -> Result<(), RuntimeError> {
        let here = self.has_image(image).await?;
        match (spec.pull, here) {
            (PullPolicy::Missing | PullPolicy::Never, true) => return Ok(()),
            (PullPolicy::Never, false) => {
                return Err(RuntimeError::NoImage {
                    image: image.to_owned(),
                    reason: ": it is never pulled (--pull never): bring it to this node".to_owned(),
                });
            }
            (PullPolicy::Always, _) | (PullPolicy::Missing, false) => {}
        }
        match self.pull_once(image, spec.registry_auth.as_deref(), waiter).await {
            Err(error @ RuntimeError::NoImage { .. }) if here => {
                tracing::warn!(image, %error, "cannot be pulled; the one that is here is used");
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn has_image(&self, image: &str) -> Result<bool, RuntimeError> {
        match self.docker().await?.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Waits for the pull that is under way, or begins one.
    async fn pull_once(&self, image: &str, auth: Option<&str>, waiter: Waiter<'_>) -> Result<(), RuntimeError> {
        let key = (image.to_owned(), auth.map(str::to_owned));
        let (engine, what) = (self.clone(), key.clone());
        let pull = self.pulls.join(key, |said| async move {
            engine.pull(&what.0, what.1.as_deref(), &said).await
        });
        pulls::wait(pull, waiter).await
    }

    async fn pull(&self, image: &str, auth: Option<&str>, said: &Said) -> Result<(), RuntimeError> {
        let (name, tag) = pull_reference(image);
        let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        let credentials = auth.and_then(credentials);
        let docker = self.docker().await?;
        let pull = docker.create_image(Some(options), None, credentials);
        let mut layers = Layers::default();
        let mut told = Instant::now();
        let outcome = pull
            .try_for_each(|info| {
                layers.take(&info);
                if told.elapsed() >= REST {
                    told = Instant::now();
                    said.send_if_modified(|now| now.say(layers.words()));
                }
                async { Ok(()) }
            })
            .await;
        outcome.map_err(|error| match self.fault(error) {
            unreachable if unreachable.is_about_the_engine() => unreachable,
            other => RuntimeError::NoImage {
                image: image.to_owned(),
                reason: format!(": {other}"),
            },
        })
    }
}

/// How far the layers of an image are, of 100 each.
#[derive(Debug, Default)]
struct Layers {
    done: BTreeMap<String, i64>,
}

/// Of a layer's way, the part that is its download; the rest is unpacking.
const DOWNLOAD: i64 = 80;

impl Layers {
    fn take(&mut self, info: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&info.id, &info.status) else {
            return;
        };
        let progress = info.progress_detail.as_ref().and_then(|p| Some((p.current?, p.total?)));
        let part = progress
            .filter(|(_, total)| *total > 0)
            .map(|(now, total)| now.clamp(0, total) * 100 / total);
        let done = match (status.as_str(), part) {
            ("Pulling fs layer" | "Waiting", _) => 0,
            ("Downloading", part) => part.unwrap_or(0) * DOWNLOAD / 100,
            ("Extracting", part) => DOWNLOAD + part.unwrap_or(0) * (100 - DOWNLOAD) / 100,
            ("Verifying Checksum" | "Download complete", _) => DOWNLOAD,
            ("Pull complete" | "Already exists", _) => 100,
            // Of the image as a whole ("Pulling from ...").
            _ => return,
        };
        self.done.insert(id.clone(), done);
    }

    fn words(&self) -> String {
        match self.done.len() as i64 {
            0 => "pulling image".to_owned(),
            count => format!("pulling image: {}%", self.done.values().sum::<i64>() / count),
        }
    }
}

/// Name and tag for a pull. A reference without a tag means `latest`; the engine would otherwise pull all tags. A digest
/// goes where the tag does, and makes a tag beside it a comment.
fn pull_reference(image: &str) -> (&str, &str) {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash belongs to the registry's port.
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[last..].split_once(':') {
        Some((name, tag)) => (&rest[..last + name.len()], tag),
        None => (rest, "latest"),
    };
    (name, digest.unwrap_or(tag))
}

/// Credentials from the text form of `X-Registry-Auth`: base64 (either alphabet's URL form, padded or not) of JSON.
fn credentials(text: &str) -> Option<DockerCredentials> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = [&alphabet::URL_SAFE, &alphabet::STANDARD]
        .into_iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok())?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;
    use crate::runtime::docker::{pulls::Pull, stub::Stub};

    #[tokio::test]
    async fn an_engine_that_dies_during_a_pull_says_nothing_of_the_image() {
        let progress = "{\"status\":\"Pulling from library/busybox\"}\r\n".to_owned();
        let stub = Stub::dying_at("/images/create", move |_| (200, progress.clone()));
        let said = Said::new(tokio::sync::watch::Sender::new(Pull::Going(String::new())));
        let error = DockerRuntime::new(&stub.host).pull("busybox", None, &said).await;
        assert!(matches!(error, Err(RuntimeError::Unreachable { .. })), "{error:?}");
    }

    #[test]
    fn a_pull_always_names_one_tag() {
        for (image, name, tag) in [
            ("nginx", "nginx", "latest"),
            ("nginx:1", "nginx", "1"),
            ("host:5000/a/b", "host:5000/a/b", "latest"),
            ("host:5000/a/b:2", "host:5000/a/b", "2"),
            ("a/b@sha256:00", "a/b", "sha256:00"),
            ("host:5000/a/b:2@sha256:00", "host:5000/a/b", "sha256:00"),
        ] {
            assert_eq!(pull_reference(image), (name, tag), "{image}");
        }
    }

    #[test]
    fn credentials_come_from_the_engines_header() {
        let found = credentials("eyJ1c2VybmFtZSI6ImEiLCJwYXNzd29yZCI6ImIifQ").unwrap();
        assert_eq!(found.username.as_deref(), Some("a"));
        assert_eq!(credentials("%%%"), None);
    }

    #[test]
    fn progress_is_the_mean_of_the_layers() {
        let mut layers = Layers::default();
        assert_eq!(layers.words(), "pulling image");
        let mut say = |id: &str, status: &str, progress: Option<(i64, i64)>| {
            let progress = progress.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            });
            layers.take(&CreateImageInfo {
                id: Some(id.to_owned()),
                status: Some(status.to_owned()),
                progress_detail: progress,
                ..CreateImageInfo::default()
            });
            layers.words()
        };
        say("latest", "Pulling from library/nginx", None);
        say("a", "Pulling fs layer", None);
        assert_eq!(say("b", "Already exists", None), "pulling image: 50%");
        assert_eq!(say("a", "Downloading", Some((50, 100))), "pulling image: 70%");
        assert_eq!(say("a", "Pull complete", None), "pulling image: 100%");
    }
}
