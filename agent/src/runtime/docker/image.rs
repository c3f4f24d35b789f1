//! Gets an image when the engine does not have it.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bollard::{auth::DockerCredentials, errors::Error, query_parameters::CreateImageOptionsBuilder};
use futures::TryStreamExt;

use super::{DockerRuntime, RuntimeError};

impl DockerRuntime {
    /// An image that is here is used as it is; a missing one is pulled.
    pub(super) async fn ensure_image(&self, image: &str, auth: Option<&str>) -> Result<(), RuntimeError> {
        match self.docker().await?.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(self.fault(error)),
        }
        let (name, tag) = pull_reference(image);
        let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        let pull = self
            .docker()
            .await?
            .create_image(Some(options), None, auth.and_then(credentials));
        pull.try_for_each(|_| async { Ok(()) })
            .await
            .map_err(|error| match self.fault(error) {
                unreachable @ RuntimeError::Unreachable { .. } => unreachable,
                other => RuntimeError::NoImage {
                    image: image.to_owned(),
                    reason: format!(": {other}"),
                },
            })
    }
}

/// Name and tag for a pull. A reference without a tag means `latest`; the engine would otherwise pull all tags. A digest
/// goes where the tag does.
fn pull_reference(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    // A colon before the last slash belongs to the registry's port.
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[last..].split_once(':') {
        Some((name, tag)) => (&image[..last + name.len()], tag),
        None => (image, "latest"),
    }
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
    use super::*;

    #[test]
    fn a_pull_always_names_one_tag() {
        for (image, name, tag) in [
            ("nginx", "nginx", "latest"),
            ("nginx:1", "nginx", "1"),
            ("host:5000/a/b", "host:5000/a/b", "latest"),
            ("host:5000/a/b:2", "host:5000/a/b", "2"),
            ("a/b@sha256:00", "a/b", "sha256:00"),
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
}
