//! Stacks: Compose files as services, networks, secrets and configs. Everything is done here; to the managers a stack is
//! a label.

mod convert;
mod deploy;
mod external;
mod file;
mod merge;
mod open;
mod scalar;
mod variables;
mod volume;

use std::{collections::BTreeSet, fs, path::Path};

pub use convert::plan;
pub use deploy::{Manner, deploy, remove_service, services_of};
pub use file::ComposeFile;
pub use variables::{Variables, environment};

use merge::Merge;
use open::Opened;
use serde_saphyr::PropertySyntax;

use crate::{failure::Failure, terminal::complain};

/// The label that says which stack an object belongs to, docker's.
pub const NAMESPACE: &str = "com.docker.stack.namespace";

/// Reads Compose files as one: what a later one says goes before what an earlier one says. Complains of the keys that are
/// passed over.
///
/// # Errors
/// See [`read`].
pub fn read_all(paths: &[String], variables: &Variables) -> Result<ComposeFile, Failure> {
    let mut all = ComposeFile::default();
    for path in paths {
        all.merge(read(path, variables)?);
    }
    let services = all.services.values().flat_map(|service| &service.passed_over);
    let keys: BTreeSet<&str> = all.passed_over.iter().chain(services).map(String::as_str).collect();
    if !keys.is_empty() {
        let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
        complain(&format!("Ignoring unsupported options: {keys}"));
    }
    Ok(all)
}

/// Reads a Compose file, YAML or (which is YAML too) JSON, with these variables in place of their names. Complains of
/// those that are not set. Variables that services name without a value take theirs from here too; one that is not set
/// stays a name alone, which takes it away from what the image sets.
///
/// # Errors
/// The file cannot be read, is no YAML, needs a variable that is not set, or has a key that is not supported; says where.
fn read(path: &str, variables: &Variables) -> Result<ComposeFile, Failure> {
    let text = match path {
        "-" => std::io::read_to_string(std::io::stdin()),
        path => fs::read_to_string(path),
    };
    let text = text.map_err(|error| Failure::Wrong(format!("open {path}: {error}")))?;
    for name in variables::unset(&text, variables) {
        complain(&format!(
            "The {name:?} variable is not set. Defaulting to a blank string."
        ));
    }
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        strict_booleans: true,
        property_syntax: PropertySyntax::DockerCompose,
    };
    let options = options.with_properties(variables.clone());
    let opened = serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let words = variables::words(error.without_snippet());
        Failure::Wrong(format!("{path}:{line}: {words}"))
    });
    let Opened::<ComposeFile>(mut file) = opened?;
    for service in file.services.values_mut() {
        service.environment.resolve(variables);
    }
    Ok(file)
}

/// The folder that paths in Compose files are relative to: the first one's, as docker has it.
pub fn folder(paths: &[String]) -> &Path {
    let first = paths.first().filter(|path| *path != "-");
    let folder = first.and_then(|path| Path::new(path).parent());
    folder.unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{external::External, *};

    fn read_text(text: &str) -> Result<ComposeFile, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let set = [("TAG", "2"), ("MANY", "3"), ("YES", "true"), ("EMPTY", "")];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        read(file.path().to_str().unwrap(), &set.into()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_key_that_is_not_supported_is_refused_by_its_line() {
        for bad in ["biuld: .", "deploy: {restart: always}", "volumes_from: [db]"] {
            let error = read_text(&format!("services:\n  web:\n    image: web:1\n    {bad}\n")).unwrap_err();
            assert!(error.contains(":4: ") && error.contains("unknown field"), "{error}");
        }
        assert!(read_text("services: [").is_err());
    }

    #[test]
    fn variables_stand_for_values_of_any_kind() {
        let file = read_text(
            r#"
services:
  $TAG:
    image: "web:${TAG}"
    command: ["echo", "$$TAG ${NONE} ${NONE:-other}", '${EMPTY-set}${EMPTY:-empty}']
    environment: {COUNT: "${MANY}", $TAG: x}
    tty: ${YES}
    ports: [{target: "${MANY}", published: "${MANY}"}, "${MANY}:80"]
    ulimits: {nofile: "${MANY}"}
    volumes: [{type: tmpfs, target: /t, read_only: "${YES}"}]
    deploy: {replicas: "${MANY}"}
    extra_hosts: {db: "192.0.2.${TAG}"}
networks: {outer: {external: "${YES}"}, other: {external: {name: "n${TAG}"}}}
"#,
        );
        let file = file.unwrap();
        let external = |name: &str| file.networks[name].as_ref().unwrap().external.clone();
        assert_eq!(
            (external("outer"), external("other")),
            (External::Yes, External::Named("n2".into()))
        );
        let web = &file.services["$TAG"];
        assert_eq!(web.extra_hosts.0, ["db=192.0.2.2"]);
        assert_eq!((web.image.as_deref(), web.tty), (Some("web:2"), true));
        let words = ["echo", "$TAG  other", "empty"].map(str::to_owned).to_vec();
        assert_eq!(web.command, Some(scalar::Words::List(words)));
        assert_eq!(web.environment.texts(), ["COUNT=3", "$TAG=x"]);
        assert_eq!(
            (web.deploy.replicas, web.ports.len(), web.volumes.len()),
            (Some(3), 2, 1)
        );
    }

    #[test]
    fn several_files_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("a.yml"), "services: {web: {image: web:1, ports: ['80:80']}}\n").unwrap();
        std::fs::write(path("b.yml"), "services: {web: {image: web:2}, db: {image: db}}\n").unwrap();
        let paths = ["a.yml", "b.yml"].map(path);
        let file = read_all(&paths, &Variables::new()).unwrap();
        let web = &file.services["web"];
        assert_eq!((web.image.as_deref(), web.ports.len()), (Some("web:2"), 1));
        assert_eq!(file.services.len(), 2);
        assert_eq!(super::folder(&paths), folder.path());
        assert_eq!(super::folder(&["-".to_owned()]), Path::new(""));
    }

    #[test]
    fn extensions_and_what_one_host_does_are_passed_over() {
        let file = read_text(
            r#"
x-common: &common
  image: web:1
  restart: always
  deploy: &deploy {replicas: 2, x-note: [1, {a: b}]}
name: shop
services:
  web:
    <<: *common
    build: {context: .}
    depends_on: {db: {condition: service_healthy}}
    expose: [80]
    x-mine: 1
  db: {<<: *common, container_name: db, tty: true}
networks: {inner: {x-a: 1}, outer: }
secrets: {key: {external: true, x-a: 1}}
"#,
        );
        let file = file.unwrap();
        let web = &file.services["web"];
        assert_eq!((web.image.as_deref(), web.deploy.replicas), (Some("web:1"), Some(2)));
        let mut passed_over = web.passed_over.clone();
        passed_over.sort();
        assert_eq!(passed_over, ["build", "depends_on", "expose", "restart"]);
        assert!(file.services["db"].tty && file.networks["outer"].is_none());
        assert_eq!(file.passed_over, ["name"]);
    }

    #[test]
    fn a_name_alone_takes_its_value_from_the_environment() {
        let environment = |written: &str| {
            let text = format!("services: {{web: {{image: w, environment: {written}}}}}");
            read_text(&text).unwrap().services["web"].environment.texts()
        };
        for written in ["[MANY, NONE, 'TAG=', A=x]", "{MANY: , NONE: , TAG: '', A: x}"] {
            assert_eq!(environment(written), ["MANY=3", "NONE", "TAG=", "A=x"], "{written}");
        }
    }

    #[test]
    fn words_that_only_yaml_1_1_takes_for_truth_values_are_words() {
        let file =
            read_text("services: {web: {image: w, tty: true, environment: {A: yes, ON: off, NO: true}}}").unwrap();
        let web = &file.services["web"];
        assert_eq!(web.environment.texts(), ["A=yes", "ON=off", "NO=true"]);
        assert!(web.tty);
    }

    #[test]
    fn a_variable_that_must_be_set_or_is_none_is_refused_by_its_line() {
        let error = read_text("services:\n  web:\n    image: ${NONE:?give a tag}\n").unwrap_err();
        assert!(
            error.ends_with(":3: required variable NONE is missing a value: give a tag"),
            "{error}"
        );
        let error = read_text("services:\n  web:\n    image: ${EMPTY:?}\n").unwrap_err();
        assert!(error.contains(":3: required variable EMPTY"), "{error}");
        let error = read_text("services:\n  web:\n    image: ${TAG\n").unwrap_err();
        assert!(error.contains(":3: invalid interpolation format"), "{error}");
    }

    #[test]
    fn json_is_read_as_well() {
        let file = read_text(r#"{"version": "3.8", "services": {"web": {"image": "web:1", "command": "a 'b c'"}}}"#);
        assert_eq!(file.unwrap().services["web"].image.as_deref(), Some("web:1"));
    }
}
