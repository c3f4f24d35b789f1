//! `--with-registry-auth`: the credentials that `docker login` left for the registry of an image.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Credentials in the form that engines take as `X-Registry-Auth`; `None` if there are none for this registry.
pub fn registry_auth(image: &str) -> Result<Option<String>, Failure> {
    let directory = match (std::env::var_os("DOCKER_CONFIG"), std::env::var_os("HOME")) {
        (Some(directory), _) => PathBuf::from(directory),
        (None, Some(home)) => Path::new(&home).join(".docker"),
        (None, None) => return Ok(None),
    };
    let path = directory.join("config.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(None);
    };
    let config = serde_json::from_str(&text)
        .map_err(|error| Failure::Wrong(format!("{} is not valid: {error}", path.display())))?;
    from_config(&config, &registry(image))
}

/// The registry's key in docker's configuration: the first part of the reference if it looks like a host, else the hub,
/// which may be called by its name as well.
fn registry(image: &str) -> String {
    const HUB: [&str; 2] = ["docker.io", "index.docker.io"];
    match image.split_once('/').filter(|(host, _)| !HUB.contains(host)) {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host.to_owned(),
        _ => "https://index.docker.io/v1/".to_owned(),
    }
}

fn from_config(config: &Value, registry: &str) -> Result<Option<String>, Failure> {
    let helper = config["credHelpers"].get(registry).or_else(|| config.get("credsStore"));
    if helper.is_some() {
        return Err(Failure::Unbuilt(format!(
            "credential helpers (docker's configuration has one for {registry})"
        )));
    }
    let Some(entry) = config["auths"].get(registry) else {
        return Ok(None);
    };
    let stored = entry["auth"].as_str().unwrap_or_default();
    let decoded = general_purpose::STANDARD.decode(stored).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let (user, password) = decoded
        .as_deref()
        .and_then(|text| text.split_once(':'))
        .unwrap_or_default();
    let auth = json!({
        "username": user,
        "password": password.trim_end_matches('\0'),
        "identitytoken": entry["identitytoken"].as_str().unwrap_or_default(),
        "serveraddress": registry,
    });
    Ok(Some(general_purpose::URL_SAFE.encode(auth.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_told_from_images_of_the_hub() {
        assert_eq!(registry("nginx:1"), "https://index.docker.io/v1/");
        assert_eq!(registry("me/web"), "https://index.docker.io/v1/");
        assert_eq!(registry("docker.io/me/web"), "https://index.docker.io/v1/");
        assert_eq!(registry("index.docker.io/me/web:2"), "https://index.docker.io/v1/");
        assert_eq!(registry("reg.example:5000/me/web"), "reg.example:5000");
        assert_eq!(registry("localhost/web"), "localhost");
    }

    #[test]
    fn logins_are_handed_on_and_absent_ones_are_not_invented() {
        let stored = general_purpose::STANDARD.encode("me:s3cret");
        let config = json!({ "auths": { "reg.example": { "auth": stored } } });
        assert_eq!(from_config(&config, "other.example").unwrap(), None);
        let auth = from_config(&config, "reg.example").unwrap().unwrap();
        let auth: Value = serde_json::from_slice(&general_purpose::URL_SAFE.decode(auth).unwrap()).unwrap();
        assert_eq!((&auth["username"], &auth["password"]), (&json!("me"), &json!("s3cret")));
        assert!(from_config(&json!({ "credsStore": "pass" }), "reg.example").is_err());
    }
}
