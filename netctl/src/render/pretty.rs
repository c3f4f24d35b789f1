//! `inspect --pretty`: what people want to see of a service or a node.

use std::{collections::BTreeMap, fmt::Write};

use model::{EndpointMode, NetworkId, Node, Role, Service};

use super::inspect::publish_mode;

/// A service, as docker prints it; networks by name where `names` has them.
pub fn service_text(service: &Service, names: &BTreeMap<NetworkId, String>) -> String {
    let spec = &service.spec;
    let replicas = spec.replicas().unwrap_or_default();
    let mut text = format!("\nID:\t\t{}\nName:\t\t{}\n", service.id, spec.name);
    map(&mut text, "Labels:", &spec.labels);
    let _ = write!(text, "Service Mode:\tReplicated\n Replicas:\t{replicas}\n");
    text.push_str("Placement:\n");
    if !spec.placement.constraints.is_empty() {
        let constraints: Vec<_> = spec.placement.constraints.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, " Constraints:\t[{}]", constraints.join(" "));
    }
    container(&mut text, service);
    text.push_str("Resources:\n");
    if !spec.networks.is_empty() {
        let name = |network| names.get(&network).cloned().unwrap_or_else(|| network.to_string());
        let networks: Vec<_> = spec
            .networks
            .iter()
            .map(|attachment| name(attachment.network))
            .collect();
        let _ = writeln!(text, "Networks: {} ", networks.join(" "));
    }
    let mode = match spec.endpoint_mode {
        EndpointMode::Vip => "vip",
        EndpointMode::Dnsrr => "dnsrr",
    };
    let _ = writeln!(text, "Endpoint Mode:\t{mode}");
    if !service.ports.is_empty() {
        text.push_str("Ports:\n");
    }
    for port in &service.ports {
        let (published, target) = (port.published, port.target);
        let (protocol, mode) = (port.protocol, publish_mode(port.mode));
        let _ = writeln!(text, " PublishedPort = {published}\n  Protocol = {protocol}");
        let _ = writeln!(text, "  TargetPort = {target}\n  PublishMode = {mode}");
    }
    text
}

fn container(text: &mut String, service: &Service) {
    let spec = &service.spec.container;
    let _ = writeln!(text, "ContainerSpec:\n Image:\t\t{}", spec.image);
    if !spec.args.is_empty() {
        let _ = writeln!(text, " Args:\t\t{} ", spec.args.join(" "));
    }
    if !spec.env.is_empty() {
        let _ = writeln!(text, " Env:\t\t{} ", spec.env.join(" "));
    }
    if let Some(dir) = &spec.dir {
        let _ = writeln!(text, " Dir:\t\t{dir}");
    }
    if let Some(user) = &spec.user {
        let _ = writeln!(text, " User: {user}");
    }
}

fn map(text: &mut String, title: &str, entries: &BTreeMap<String, String>) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for (key, value) in entries {
        let _ = writeln!(text, " {key}={value}");
    }
}

/// A node, as docker prints it.
pub fn node_text(node: &Node, leader: &str) -> String {
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
        let _ = writeln!(text, "Engine Version:\t\t{}", description.engine_version);
        if !description.engine_error.is_empty() {
            let _ = writeln!(text, "Engine Error:\t\t{}", description.engine_error);
        }
        for held in &description.held_ports {
            let _ = writeln!(text, "Held Port:\t\t{}/{} by {}", held.port, held.protocol, held.holder);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn a_service_reads_as_dockers() {
        let names = BTreeMap::from([(NetworkId::from_bits(1), "blue".to_owned())]);
        assert_eq!(
            service_text(&sample::service(), &names),
            "\nID:\t\t0000000000000000000000002\nName:\t\tweb\nService Mode:\tReplicated\n Replicas:\t3\nPlacement:\n\
             ContainerSpec:\n Image:\t\tweb:1\nResources:\nNetworks: blue \nEndpoint Mode:\tvip\nPorts:\n \
             PublishedPort = 8080\n  Protocol = tcp\n  TargetPort = 80\n  PublishMode = ingress\n"
        );
    }

    #[test]
    fn a_node_tells_its_role_and_state() {
        let node = sample::node(1, model::Role::Manager);
        let text = node_text(&node, &node.id.to_string());
        assert!(
            text.contains("State:\t\t\tReady") && text.contains("Leader:\t\tYes"),
            "{text}"
        );
    }
}
