//! Removal of objects by name: one request each, the names of those that went printed, all refusals told.

use tonic::Code;
use wire::pb;

use crate::{
    client::{Client, request_id},
    failure::{Failure, Failures},
    terminal::say,
};

/// What is removed.
#[derive(Clone, Copy)]
pub enum Kind {
    /// `network rm`.
    Network,
    /// `node rm`.
    Node,
    /// `service rm`.
    Service,
}

/// Removes the named objects of one kind. By force, a node that runs goes too, and a network need not be there.
pub async fn remove(client: &mut Client, kind: Kind, names: &[String], force: bool) -> Result<(), Failure> {
    let mut failures = Failures::default();
    for name in names {
        let request = pb::RemoveRequest {
            request: request_id(),
            r#ref: name.clone(),
            force,
        };
        let control = &mut client.control;
        let outcome = match kind {
            Kind::Network => control.remove_network(request).await,
            Kind::Node => control.remove_node(request).await,
            Kind::Service => control.remove_service(request).await,
        };
        let absent = outcome.as_ref().is_err_and(|status| status.code() == Code::NotFound);
        if absent && force && matches!(kind, Kind::Network) {
            continue;
        }
        if failures.note(outcome.map_err(Failure::from)).is_some() {
            say(name);
        }
    }
    failures.end()
}
