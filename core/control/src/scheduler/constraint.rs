//! Placement constraints. Looked at when a task is placed, and again in each pass: a task whose node does not fulfil
//! them any more is moved.

use std::net::IpAddr;

use ipnet::IpNet;
use model::{Constraint, ConstraintKey, Node, Service};

/// Whether a node fulfils all constraints of a service.
pub(crate) fn meets_constraints(service: &Service, node: &Node) -> bool {
    service
        .spec
        .placement
        .constraints
        .iter()
        .all(|constraint| meets(constraint, node))
}

fn meets(constraint: &Constraint, node: &Node) -> bool {
    let description = node.description.as_ref();
    let same = |text: Option<&str>| text.is_some_and(|t| t.eq_ignore_ascii_case(&constraint.value));
    let equal = match &constraint.key {
        ConstraintKey::NodeId => same(Some(&node.id.to_string())),
        ConstraintKey::Hostname => same(description.map(|d| d.hostname.as_str())),
        ConstraintKey::Role => same(Some(node.spec.role.word())),
        ConstraintKey::Ip => contains(&constraint.value, node.status.addr),
        ConstraintKey::Os => same(description.map(|d| d.os.as_str())),
        ConstraintKey::Arch => same(description.map(|d| d.arch.as_str())),
        ConstraintKey::NodeLabel(name) => same(node.spec.labels.get(name).map(String::as_str)),
        ConstraintKey::EngineLabel(name) => {
            same(description.and_then(|d| d.engine_labels.get(name)).map(String::as_str))
        }
    };
    equal == constraint.equal
}

fn contains(wish: &str, addr: IpAddr) -> bool {
    wish.parse::<IpAddr>() == Ok(addr) || wish.parse::<IpNet>().is_ok_and(|net| net.contains(&addr))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::node;

    #[test]
    fn constraints_compare_without_regard_to_case_and_absent_labels_are_unequal() {
        let mut node = node(7, "Host7");
        node.spec.labels.insert("disk".into(), "SSD".into());
        for (text, want) in [
            ("node.hostname==host7", true),
            ("node.hostname!=host7", false),
            ("node.labels.disk==ssd", true),
            ("node.labels.zone==a", false),
            ("node.labels.zone!=a", true),
            ("node.role==worker", true),
            ("node.ip==192.168.0.7", true),
            ("node.ip==192.168.0.0/16", true),
            ("node.ip!=10.0.0.0/8", true),
            ("node.platform.os==linux", true),
            ("engine.labels.a==b", false),
            ("node.id==0000000000000000000000007", true),
        ] {
            assert_eq!(meets(&text.parse().unwrap(), &node), want, "{text}");
        }
    }
}
