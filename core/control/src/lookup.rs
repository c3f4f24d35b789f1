//! Objects by what users type: full id, name, or the beginning of an id that only one object has, in this order, as in
//! Docker. Called by the API edge.

use model::{Name, Network, Node, Payload, PayloadKind, Service, Task};
use store::{Kind, Refused, View};

fn one<'a, T>(kind: Kind, what: &str, by_prefix: impl Iterator<Item = &'a T>) -> Result<&'a T, Refused> {
    let mut found: Vec<&T> = by_prefix.collect();
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), more) => Err(Refused::Ambiguous {
            kind,
            what: what.to_owned(),
            matches: more + 1,
        }),
        (None, _) => Err(Refused::NotFound {
            kind,
            what: what.to_owned(),
        }),
    }
}

/// Whether `what` begins an id; an empty text begins none.
fn begins(what: &str, id: impl ToString) -> bool {
    !what.is_empty() && id.to_string().starts_with(what)
}

/// A service.
pub fn find_service<'a>(view: &'a View, what: &str) -> Result<&'a Service, Refused> {
    let by_id = what.parse().ok().and_then(|id| view.service(id));
    let by_name = || view.service_named(&what.parse::<Name>().ok()?);
    match by_id.or_else(by_name) {
        Some(service) => Ok(service),
        None => one(
            Kind::Service,
            what,
            view.services().filter(|service| begins(what, service.id)),
        ),
    }
}

/// A network.
pub fn find_network<'a>(view: &'a View, what: &str) -> Result<&'a Network, Refused> {
    let by_id = what.parse().ok().and_then(|id| view.network(id));
    let by_name = || view.network_named(&what.parse::<Name>().ok()?);
    match by_id.or_else(by_name) {
        Some(network) => Ok(network),
        None => one(
            Kind::Network,
            what,
            view.networks().filter(|network| begins(what, network.id)),
        ),
    }
}

/// A secret or config. A name is that of the latest one; superseded ones have ids only.
pub fn find_payload<'a>(view: &'a View, kind: PayloadKind, what: &str) -> Result<&'a Payload, Refused> {
    let of_kind = |payload: &&Payload| payload.kind == kind;
    let by_id = what.parse().ok().and_then(|id| view.payload(id)).filter(of_kind);
    let by_name = || view.payload_named(kind, &what.parse::<Name>().ok()?);
    match by_id.or_else(by_name) {
        Some(payload) => Ok(payload),
        None => {
            let begun = view
                .payloads()
                .filter(of_kind)
                .filter(|payload| begins(what, payload.id));
            one(kind.into(), what, begun)
        }
    }
}

/// A node; its name is its host name, which several nodes may have.
pub fn find_node<'a>(view: &'a View, what: &str) -> Result<&'a Node, Refused> {
    if let Some(node) = what.parse().ok().and_then(|id| view.node(id)) {
        return Ok(node);
    }
    let named = |node: &&Node| node.description.as_ref().is_some_and(|d| d.hostname == what);
    match one(Kind::Node, what, view.nodes().filter(named)) {
        Err(Refused::NotFound { .. }) => one(Kind::Node, what, view.nodes().filter(|node| begins(what, node.id))),
        found => found,
    }
}

/// A task, by id only.
pub fn find_task<'a>(view: &'a View, what: &str) -> Result<&'a Task, Refused> {
    match what.parse().ok().and_then(|id| view.task(id)) {
        Some(task) => Ok(task),
        None => one(Kind::Task, what, view.tasks().filter(|task| begins(what, task.id))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bed;

    #[test]
    fn ids_names_and_unique_beginnings_are_found() {
        let bed = Bed::with_nodes(2);
        let found = |what| {
            find_node(bed.view(), what)
                .map(|node| node.hostname())
                .map_err(|e| e.to_string())
        };
        assert_eq!(found("n2"), Ok("n2".to_owned()));
        assert_eq!(found("0000000000000000000000001"), Ok("n1".to_owned()));
        assert_eq!(found("x"), Err("node x not found".to_owned()));
        assert_eq!(found(""), Err("node  not found".to_owned()));
        assert!(found("00000").unwrap_err().contains("ambiguous (2 matches found)"));
        let ingress = find_network(bed.view(), "ingress").unwrap().id;
        assert_eq!(find_network(bed.view(), &ingress.to_string()).unwrap().id, ingress);
    }
}
