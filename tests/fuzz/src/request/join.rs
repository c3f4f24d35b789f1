//! What a node sends that wants to join: all of it comes from a stranger.

use std::net::SocketAddr;

use model::Role;
use peer::Subject;
use prost::Message;
use store::State;
use wire::pb;

use crate::{base, record};

/// A stranger is refused, or is given a certificate that says what the managers chose. With the bytes as they are, then
/// with a token that admits, then with a signing request that can be signed, too: few inputs have either.
pub(super) fn join(state: &State, bytes: &[u8]) {
    let Ok(mut request) = pb::IssueCertificateRequest::decode(bytes) else {
        return;
    };
    answered(state, &request);
    request.token = base::token().to_string();
    answered(state, &request);
    base::signing_request().clone_into(&mut request.csr_pem);
    answered(state, &request);
}

fn answered(state: &State, request: &pb::IssueCertificateRequest) {
    let from = SocketAddr::from(([192, 0, 2, 9], 4000));
    let Ok((command, answer)) = manager::answer_to_join(state, request, from) else {
        return;
    };
    assert_eq!(request.token, base::token().to_string(), "only the token admits");
    let subject = Subject::of_pem(&answer.certificate_pem);
    let said = subject.map(|subject| (subject.node.to_string(), subject.role, subject.cluster.to_string()));
    let chosen = (answer.node, Role::Worker, answer.cluster);
    assert_eq!(said.ok(), Some(chosen), "the managers choose who a certificate is for");
    let _ = record::applied(state, base::entry(command));
}
