//! The lab's wires: a switch namespace with a bridge for the nodes, which also
//! routes to the client's own subnet. No link of the machine takes part.
//!
//! Called by `lab up`; `lab down` removes the namespaces, and the kernel the
//! links with them.

use super::layout::{CLIENT, CLIENT_ADDRESS, CLIENT_GATEWAY, GATEWAY, Node, PREFIX, SWITCH};
use crate::process::{command, output};
use anyhow::{Context, Result};

const BRIDGE: &str = "br0";

/// Makes the switch, the client and one namespace a node, all connected.
///
/// # Errors
/// A step of `ip` fails.
pub fn create(count: u8) -> Result<()> {
    add_namespace(SWITCH)?;
    ip(SWITCH, &format!("link add {BRIDGE} type bridge forward_delay 0"))?;
    ip(SWITCH, &format!("addr add {GATEWAY}/24 dev {BRIDGE}"))?;
    ip(SWITCH, &format!("link set {BRIDGE} up"))?;
    enable_forwarding()?;
    for node in Node::first(count) {
        add_node(node)?;
    }
    add_client()
}

/// Removes every namespace of the lab.
///
/// # Errors
/// `ip netns` fails.
pub fn remove() -> Result<()> {
    for name in namespaces()? {
        output(&mut command("ip", &["netns", "del", &name]))?;
    }
    Ok(())
}

/// Names of the lab's namespaces that exist.
///
/// # Errors
/// `ip netns` fails.
pub fn namespaces() -> Result<Vec<String>> {
    let listed = output(&mut command("ip", &["netns", "list"]))?;
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names
        .filter(|name| name.starts_with(PREFIX))
        .map(str::to_owned)
        .collect())
}

fn add_namespace(name: &str) -> Result<()> {
    output(&mut command("ip", &["netns", "add", name]))?;
    ip(name, "link set lo up")
}

/// Takes a node's wire and namespace away.
///
/// # Errors
/// The node has none.
pub fn remove_node(node: Node) -> Result<()> {
    // Both ends of a pair go at once; the namespace waits for its last process.
    ip(SWITCH, &format!("link del {}", node.name()))?;
    output(&mut command("ip", &["netns", "del", &node.namespace()])).map(|_| ())
}

/// Makes a node's namespace and connects it.
///
/// # Errors
/// A step of `ip` fails.
pub fn add_node(node: Node) -> Result<()> {
    let namespace = node.namespace();
    add_namespace(&namespace)?;
    let port = node.name();
    ip(
        SWITCH,
        &format!("link add {port} type veth peer name eth0 netns {namespace}"),
    )?;
    ip(SWITCH, &format!("link set {port} master {BRIDGE} up"))?;
    ip(&namespace, &format!("addr add {}/24 dev eth0", node.address()))?;
    ip(&namespace, "link set eth0 up")?;
    ip(&namespace, &format!("route add default via {GATEWAY}"))
}

fn add_client() -> Result<()> {
    add_namespace(CLIENT)?;
    ip(
        SWITCH,
        &format!("link add client type veth peer name eth0 netns {CLIENT}"),
    )?;
    ip(SWITCH, &format!("addr add {CLIENT_GATEWAY}/24 dev client"))?;
    ip(SWITCH, "link set client up")?;
    ip(CLIENT, &format!("addr add {CLIENT_ADDRESS}/24 dev eth0"))?;
    ip(CLIENT, "link set eth0 up")?;
    ip(CLIENT, &format!("route add default via {CLIENT_GATEWAY}"))
}

fn enable_forwarding() -> Result<()> {
    let net = format!("--net=/run/netns/{SWITCH}");
    let write = "echo 1 > /proc/sys/net/ipv4/ip_forward";
    output(&mut command("nsenter", &[&net, "--", "sh", "-c", write])).map(|_| ())
}

/// `ip` with the words of `line`, in a namespace.
fn ip(namespace: &str, line: &str) -> Result<()> {
    let mut args = vec!["-n", namespace];
    args.extend(line.split(' '));
    output(&mut command("ip", &args))
        .map(|_| ())
        .context("building the lab's underlay")
}
