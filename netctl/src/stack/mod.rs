//! Stacks: Compose files as services, networks, secrets and configs. Everything is done here; to the managers a stack is
//! a label.

mod convert;
mod deploy;
mod file;
mod scalar;
mod volume;

use std::{fs, path::Path};

pub use convert::plan;
pub use deploy::{Manner, deploy, remove_service, services_of};
pub use file::ComposeFile;

use crate::failure::Failure;

/// The label that says which stack an object belongs to, docker's.
pub const NAMESPACE: &str = "com.docker.stack.namespace";

/// Reads a Compose file, YAML or (which is YAML too) JSON.
///
/// # Errors
/// The file cannot be read, is no YAML, or has a key that is not supported; says where.
pub fn read(path: &str) -> Result<ComposeFile, Failure> {
    let text = match path {
        "-" => std::io::read_to_string(std::io::stdin()),
        path => fs::read_to_string(path),
    };
    let text = text.map_err(|error| Failure::Wrong(format!("open {path}: {error}")))?;
    if let Some((at, _)) = text.lines().enumerate().find(|(_, line)| interpolates(line)) {
        let line = at + 1;
        return Err(Failure::Wrong(format!(
            "{path}:{line}: variables (${{...}}) in Compose files are not built yet; write \"$$\" for a dollar sign"
        )));
    }
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_str_with_options(&text.replace("$$", "$"), options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        Failure::Wrong(format!("{path}:{line}: {}", error.without_snippet()))
    })
}

/// Whether a line has a `$` that is neither doubled nor in a comment.
fn interpolates(line: &str) -> bool {
    let plain = line.trim_start();
    !plain.starts_with('#') && plain.replace("$$", "").contains('$')
}

/// The folder that paths of a Compose file are relative to.
pub fn folder(path: &str) -> &Path {
    Path::new(path)
        .parent()
        .filter(|_| path != "-")
        .unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_text(text: &str) -> Result<ComposeFile, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path().to_str().unwrap()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_key_that_is_not_supported_is_refused_by_its_line() {
        let error = read_text("services:\n  web:\n    image: web:1\n    build: .\n").unwrap_err();
        assert!(error.contains(":4: ") && error.contains("build"), "{error}");
        let error = read_text("services:\n  web:\n    image: web:$TAG\n").unwrap_err();
        assert!(error.contains(":3: "), "{error}");
        assert!(read_text("services: [").is_err());
    }

    #[test]
    fn json_is_read_as_well() {
        let file = read_text(r#"{"version": "3.8", "services": {"web": {"image": "web:1", "command": "a 'b c'"}}}"#);
        assert_eq!(file.unwrap().services["web"].image.as_deref(), Some("web:1"));
    }
}
