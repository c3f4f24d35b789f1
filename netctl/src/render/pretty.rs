//! `inspect --pretty`: what people want to see of a node.

use std::{collections::BTreeMap, fmt::Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use model::{Node, NodeDescription, Role};
use wire::pb;

/// The entries of a map under their title, if there are any.
pub fn map(text: &mut String, title: &str, entries: &BTreeMap<String, String>) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for (key, value) in entries {
        let _ = writeln!(text, " {key}={value}");
    }
}

/// A node, as docker prints it.
pub fn node_text(node: &Node, leader: &str, tls: Option<&pb::TlsInfo>) -> String {
    let mut text = format!("ID:\t\t\t{}\n", node.id);
    map(&mut text, "Labels:", &node.spec.labels);
    let _ = writeln!(text, "Hostname:              \t{}", node.hostname());
    let _ = writeln!(text, "Joined at:             \t{}", node.created_at);
    let _ = writeln!(text, "Status:\n State:\t\t\t{}", node.status.state.word());
    if !node.status.message.is_empty() {
        let _ = writeln!(text, " Message:\t\t{}", node.status.message);
    }
    let _ = writeln!(text, " Availability:         \t{}", node.spec.availability.word());
    let _ = writeln!(text, " Address:\t\t{}", node.status.addr);
    if let Some(addr) = node.manager_addr.filter(|_| node.spec.role == Role::Manager) {
        let leads = if node.id.to_string() == leader { "Yes" } else { "No" };
        let _ = writeln!(text, "Manager Status:\n Address:\t\t{addr}\n Leader:\t\t{leads}");
    }
    if let Some(description) = &node.description {
        let gibi = description.memory_bytes as f64 / f64::from(1 << 30);
        let _ = write!(
            text,
            "Platform:\n Operating System:\t{}\n Architecture:\t\t{}\nResources:\n CPUs:\t\t\t{}\n Memory:\t\t{gibi:.3}GiB\n",
            description.os,
            description.arch,
            description.nano_cpus / 1_000_000_000,
        );
        offers(&mut text, description);
        let _ = writeln!(text, "Engine Version:\t\t{}", description.engine_version);
        if !description.engine_error.is_empty() {
            let _ = writeln!(text, "Engine Error:\t\t{}", description.engine_error);
        }
        for held in &description.held_ports {
            let _ = writeln!(text, "Held Port:\t\t{}/{} by {}", held.port, held.protocol, held.holder);
        }
    }
    if let Some(tls) = tls {
        let (subject, key) = (
            BASE64_STANDARD.encode(&tls.issuer_subject),
            BASE64_STANDARD.encode(&tls.issuer_public_key),
        );
        let _ = writeln!(text, "TLS Info:\n TrustRoot:\n{}", tls.trust_root);
        let _ = writeln!(text, " Issuer Subject:\t{subject}\n Issuer Public Key:\t{key}");
    }
    text
}

/// Resources with operators' names, and drivers by their kind.
fn offers(text: &mut String, machine: &NodeDescription) {
    if !machine.generic_resources.is_empty() {
        let all: Vec<String> = machine.generic_resources.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, " Generic Resources:\t{}", all.join(", "));
    }
    let mut drivers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, name) in machine.plugins.iter().filter_map(|plugin| plugin.split_once('/')) {
        drivers.entry(kind).or_default().push(name);
    }
    if !drivers.is_empty() {
        let _ = writeln!(text, "Plugins:");
    }
    for (kind, names) in drivers {
        let _ = writeln!(text, " {kind}:\t\t{}", names.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn a_node_tells_its_role_and_state() {
        let mut node = sample::node(1, model::Role::Manager);
        let description = node.description.as_mut().unwrap();
        description.generic_resources = vec!["SSD=3".parse().unwrap(), "GPU=UUID1".parse().unwrap()];
        description.plugins = ["Log/gelf", "Log/syslog", "Volume/local"].map(Into::into).to_vec();
        let tls = pb::TlsInfo {
            trust_root: "-----BEGIN CERTIFICATE-----\n".into(),
            issuer_subject: vec![1],
            issuer_public_key: vec![2],
        };
        let text = node_text(&node, &node.id.to_string(), Some(&tls));
        for line in [
            "State:\t\t\tReady",
            "Leader:\t\tYes",
            " Generic Resources:\tSSD=3, GPU=UUID1\nPlugins:\n Log:\t\tgelf, syslog\n Volume:\t\tlocal\nEngine Version:",
            "TLS Info:\n TrustRoot:\n-----BEGIN CERTIFICATE-----\n\n Issuer Subject:\tAQ==\n Issuer Public Key:\tAg==\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
