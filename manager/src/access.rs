//! Who may call what on the control port: the table beside the service definitions (`wire::access`), checked before a
//! call reaches its service and for as long as the call lasts.
//!
//! A caller is whoever the certificate says, if that node is still part of the cluster and has that role in its state:
//! a removed or demoted node loses its rights at once, with the streams that it has open, not when its certificate ends.
//! Addresses play no part.

mod gate;
mod guard;
mod roster;

use std::net::SocketAddr;

use model::Role;
use peer::Subject;
use store::View;
use tonic::Status;
use wire::pb::Access;

pub(crate) use gate::Gate;
pub(crate) use roster::Roster;

/// Who is at the other end of a connection to the control port.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Address that the connection comes from; for logs and as a node's address, never for rights.
    pub from: SocketAddr,
    /// Who it is; `None` without a certificate of this cluster.
    pub subject: Option<Subject>,
}

const NOT_A_MANAGER: &str = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";

/// Checks one call to the control port.
pub(crate) fn check(path: &str, caller: &Caller, view: &View) -> Result<(), Status> {
    let access = wire::access(path);
    let access = access.ok_or_else(|| Status::unimplemented(format!("{path} is not known to this manager")))?;
    match access {
        Access::Anyone => return Ok(()),
        Access::Operator | Access::Unspecified => {
            let words = format!("{path} is served on the local socket only");
            return Err(Status::permission_denied(words));
        }
        Access::Node | Access::Itself | Access::Manager | Access::Peer => {}
    }
    let subject = caller
        .subject
        .ok_or_else(|| Status::unauthenticated("a certificate of this cluster is needed: join first"))?;
    if access == Access::Peer {
        return check_peer(&subject, view);
    }
    if view.cluster().is_none() {
        return Err(Status::unavailable(
            "this manager does not know the swarm yet: try another",
        ));
    }
    let of_cluster = view.cluster().is_some_and(|cluster| cluster.id == subject.cluster);
    let node = view.node(subject.node).filter(|_| of_cluster);
    let node = node.ok_or_else(|| not_part(&subject))?;
    let is_manager = subject.role == Role::Manager && node.spec.role == Role::Manager;
    if access == Access::Manager && !is_manager {
        return Err(Status::permission_denied(NOT_A_MANAGER));
    }
    Ok(())
}

/// What is said to a node that the state does not know.
pub(crate) fn not_part(subject: &Subject) -> Status {
    Status::permission_denied(format!("node {} is not part of this swarm (any more)", subject.node))
}

/// A certificate says enough here: what follows depends on raft's members.
fn check_peer(subject: &Subject, view: &View) -> Result<(), Status> {
    if view.cluster().is_some_and(|cluster| cluster.id != subject.cluster) {
        return Err(not_part(subject));
    }
    match subject.role {
        Role::Manager => Ok(()),
        Role::Worker => Err(Status::permission_denied(NOT_A_MANAGER)),
    }
}

#[cfg(test)]
mod tests;
