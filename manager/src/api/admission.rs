//! Before a node has a certificate: the root, and a certificate for whoever shows a token.

use std::net::IpAddr;

use model::{Availability, NodeId};
use store::Command;
use tonic::{Request, Response, Status, async_trait};
use wire::pb::{self, admission_server::Admission};

use super::{Api, refusal};
use peer::Subject;

use crate::{access::Caller, ca::CaError, mint, token};

pub(super) fn uncertified(why: &CaError) -> Status {
    match why {
        CaError::Request(_) | CaError::Given(_) => Status::invalid_argument(why.to_string()),
        _ => Status::internal(why.to_string()),
    }
}

/// The address that a joining node gave, or else the one that its connection comes from.
fn node_addr(given: &str, caller: Option<&Caller>) -> Result<IpAddr, Status> {
    let host = given.rsplit_once(':').map_or(given, |(host, _)| host);
    let parsed = given.parse().or_else(|_| host.trim_matches(['[', ']']).parse());
    match (parsed, caller) {
        (Ok(addr), _) => Ok(addr),
        (Err(_), Some(caller)) if given.is_empty() => Ok(caller.from.ip()),
        (Err(_), _) => Err(Status::failed_precondition(format!(
            "advertised address \"{given}\" is no IP address"
        ))),
    }
}

#[async_trait]
impl Admission for Api {
    async fn root_certificate(
        &self,
        _: Request<pb::RootCertificateRequest>,
    ) -> Result<Response<pb::RootCertificateResponse>, Status> {
        let view = self.proposer.view();
        Ok(Response::new(pb::RootCertificateResponse {
            pem: Self::authority(&view)?.pinned,
            data_port: view.cluster().map_or(0, |cluster| cluster.settings.data_port.into()),
        }))
    }

    async fn issue_certificate(
        &self,
        request: Request<pb::IssueCertificateRequest>,
    ) -> Result<Response<pb::IssueCertificateResponse>, Status> {
        let caller = request.extensions().get::<Caller>().copied();
        let request = request.into_inner();
        let view = self.read().await?;
        let authority = Self::authority(&view)?;
        let role = view.cluster().map(|cluster| token::role_of(cluster, &request.token));
        let role = role.transpose().map_err(|why| uncertified(&why))?.flatten();
        let role = role.ok_or_else(|| Status::permission_denied("invalid join token"))?;
        let subject = Subject {
            node: NodeId::from_bits(mint::bits()),
            role,
            cluster: authority.cluster,
        };
        let now = mint::now();
        let certificate_pem = authority
            .sign(&request.csr_pem, subject, now)
            .map_err(|why| uncertified(&why))?;
        let addr = node_addr(&request.addr, caller.as_ref())?;
        let mut join = Command::join(subject.node, now, role, addr);
        if let Command::UpsertNode(node) = &mut join {
            node.spec.availability = availability(request.availability);
            node.manager_addr = request.addr.parse().ok();
        }
        let joined = self.proposer.propose(join).await;
        joined.map_err(|why| refusal::unproposed(&why))?;
        tracing::info!(node = %subject.node, role = role.word(), %addr, "admitted");
        Ok(Response::new(issued(certificate_pem, subject, authority.bundle)))
    }
}

fn availability(number: i32) -> Availability {
    match pb::Availability::try_from(number) {
        Ok(pb::Availability::Drain) => Availability::Drain,
        Ok(pb::Availability::Pause) => Availability::Pause,
        _ => Availability::Active,
    }
}

pub(super) fn issued(certificate_pem: String, subject: Subject, roots_pem: String) -> pb::IssueCertificateResponse {
    pb::IssueCertificateResponse {
        certificate_pem,
        node: subject.node.to_string(),
        role: pb::Role::from(subject.role).into(),
        cluster: subject.cluster.to_string(),
        roots_pem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_the_address_it_gives_or_the_one_it_comes_from() {
        let caller = Caller {
            from: ([10, 0, 0, 9], 4000).into(),
            subject: None,
        };
        let addr = |given| node_addr(given, Some(&caller)).map(|addr| addr.to_string()).ok();
        assert_eq!(addr("10.0.0.2").as_deref(), Some("10.0.0.2"));
        assert_eq!(addr("10.0.0.2:2377").as_deref(), Some("10.0.0.2"));
        assert_eq!(addr("[fd00::1]:2377").as_deref(), Some("fd00::1"));
        assert_eq!(addr("").as_deref(), Some("10.0.0.9"));
        assert_eq!(addr("eth0"), None);
    }
}
