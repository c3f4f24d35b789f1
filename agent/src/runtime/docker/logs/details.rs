//! What a container's log driver is set up to add to each line (`--log-opt labels=...`, `--log-opt env=...`). The engine
//! could send it with every line; it is the same for all of a container, so it is read once.

use std::collections::{BTreeMap, HashMap};

use bollard::models::ContainerInspectResponse;

/// `key=value,...` in the order of keys, both sides encoded as in an URL's query, as the engine writes it.
pub(super) fn details(container: &ContainerInspectResponse) -> String {
    let host = container.host_config.as_ref();
    let options = host.and_then(|host| host.log_config.as_ref()?.config.as_ref());
    let config = container.config.as_ref();
    let labels = config.and_then(|config| config.labels.clone()).unwrap_or_default();
    let env = config.and_then(|config| config.env.clone()).unwrap_or_default();
    let env = env.iter().filter_map(|pair| pair.split_once('='));
    let env = env.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut found = BTreeMap::new();
    for (option, pairs) in [("labels", labels), ("env", env)] {
        found.extend(chosen(options.and_then(|options| options.get(option)), &pairs));
    }
    let pairs = found
        .iter()
        .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn chosen(names: Option<&String>, pairs: &HashMap<String, String>) -> BTreeMap<String, String> {
    let names = names.map_or("", String::as_str).split(',');
    names
        .filter_map(|name| Some((name.to_owned(), pairs.get(name)?.clone())))
        .collect()
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerConfig, HostConfig, HostConfigLogConfig};

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn what_the_driver_is_told_to_add_is_found() {
        let container = ContainerInspectResponse {
            config: Some(ContainerConfig {
                labels: Some(map(&[("tier", "a b,c"), ("other", "x")])),
                env: Some(vec!["OS=linux".to_owned(), "PATH=/bin".to_owned()]),
                ..ContainerConfig::default()
            }),
            host_config: Some(HostConfig {
                log_config: Some(HostConfigLogConfig {
                    typ: Some("json-file".to_owned()),
                    config: Some(map(&[("labels", "tier,none"), ("env", "OS"), ("max-size", "1m")])),
                }),
                ..HostConfig::default()
            }),
            ..ContainerInspectResponse::default()
        };
        assert_eq!(details(&container), "OS=linux,tier=a+b%2Cc");
        assert_eq!(details(&ContainerInspectResponse::default()), "");
    }
}
