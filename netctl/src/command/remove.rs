//! Removal of objects by name: one request each, the names of those that went printed, all refusals told.

use wire::pb;

use crate::{
    args::RemoveArgs,
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

/// Removes the named objects of one kind.
pub async fn remove(client: &mut Client, kind: Kind, args: &RemoveArgs) -> Result<(), Failure> {
    let mut failures = Failures::default();
    for name in &args.names {
        let request = pb::RemoveRequest {
            request: request_id(),
            r#ref: name.clone(),
            force: args.force,
        };
        let control = &mut client.control;
        let outcome = match kind {
            Kind::Network => control.remove_network(request).await,
            Kind::Node => control.remove_node(request).await,
            Kind::Service => control.remove_service(request).await,
        };
        if failures.note(outcome.map_err(Failure::from)).is_some() {
            say(name);
        }
    }
    failures.end()
}
