//! Before a node has a certificate: the root, and a certificate for whoever shows a token.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{MutexGuard, PoisonError},
};

use control::JoinAttempts;
use model::{Availability, JoinToken, NodeId, Timestamp};
use store::{Command, Refused, TokenStep, View};
use tonic::{Request, Response, Status, async_trait};
use wire::pb::{self, admission_server::Admission};

use super::{Api, refusal};
use peer::Subject;

use crate::{
    access::Caller,
    ca::{Authority, CaError},
    mint,
    token::{self, Shown},
};

pub(super) fn uncertified(why: &CaError) -> Status {
    match why {
        CaError::Request(_) | CaError::Given(_) | CaError::Half => Status::invalid_argument(why.to_string()),
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

/// What a token gives.
fn known(view: &View, text: &str) -> Result<Shown, Status> {
    text.parse::<JoinToken>().map_err(|why| refusal::invalid(&why))?;
    token::shown(view, text).ok_or_else(|| refusal::refused(&Refused::TokenUnknown))
}

/// Its limits are not reached.
fn usable(view: &View, shown: &Shown) -> Result<(), Status> {
    let Some(hash) = &shown.limited else { return Ok(()) };
    let usable = view.usable_token(hash, mint::now());
    usable.map(drop).map_err(|why| refusal::refused(&why))
}

/// What whoever has shown a token is given.
struct Admitted {
    subject: Subject,
    addr: IpAddr,
    certificate_pem: String,
    /// To be carried out before it is given.
    command: Command,
}

fn admit(
    authority: &Authority,
    request: pb::IssueCertificateRequest,
    shown: Shown,
    caller: Option<&Caller>,
) -> Result<Admitted, Status> {
    let subject = Subject {
        node: NodeId::from_bits(mint::bits()),
        role: shown.role,
        cluster: authority.cluster,
    };
    let now = mint::now();
    let certificate_pem = authority
        .sign(&request.csr_pem, subject, now)
        .map_err(|why| uncertified(&why))?;
    let addr = node_addr(&request.addr, caller)?;
    let mut join = Command::join(subject.node, now, shown.role, addr);
    if let Command::UpsertNode(node) = &mut join {
        node.spec.availability = availability(request.availability);
        node.manager_addr = request.addr.parse().ok();
    }
    let token = still_admits(shown, request.token, now);
    Ok(Admitted {
        subject,
        addr,
        certificate_pem,
        command: Command::Batch(vec![token, join]),
    })
}

/// What a manager whose state is `view` would answer to a node that joins from `from`, and carry out before: all that the
/// bytes of a stranger reach, the limit on failed attempts apart. Public for fuzzing alone.
///
/// # Errors
/// What the stranger is told.
pub fn answer_to_join(
    view: &View,
    request: &pb::IssueCertificateRequest,
    from: SocketAddr,
) -> Result<(Command, pb::IssueCertificateResponse), Status> {
    let shown = known(view, &request.token)?;
    usable(view, &shown)?;
    let caller = Caller { from, subject: None };
    let authority = Api::authority(view)?;
    let admitted = admit(&authority, request.clone(), shown, Some(&caller))?;
    let answer = issued(admitted.certificate_pem, admitted.subject, authority.bundle);
    Ok((admitted.command, answer))
}

impl Api {
    fn attempts(&self) -> MutexGuard<'_, JoinAttempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a token gives, and a state as new as any. A token that admits as far as this manager knows is never refused for
    /// the failed attempts of others; any other may be new, and costs a question to the other managers: these are limited.
    async fn look_at(&self, text: &str, caller: Option<&Caller>) -> Result<(View, Shown), Status> {
        let source = caller.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.from.ip());
        let admits = Self::admits(&self.proposer.view(), text);
        if !admits {
            let taken = self.attempts().take(source, mint::now());
            taken.map_err(|why| refusal::overrun(source, why))?;
        }
        let view = self.read().await?;
        let shown =
            known(&view, text).inspect_err(|_| tracing::info!(%source, "somebody shows an invalid join token"))?;
        usable(&view, &shown)?;
        if !admits {
            self.attempts().give_back(source);
        }
        Ok((view, shown))
    }

    /// Whether a token admits now, as far as a state says.
    fn admits(view: &View, text: &str) -> bool {
        known(view, text).is_ok_and(|shown| usable(view, &shown).is_ok())
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
        let (view, shown) = self.look_at(&request.token, caller.as_ref()).await?;
        let authority = Self::authority(&view)?;
        let Admitted {
            subject,
            addr,
            certificate_pem,
            command,
        } = admit(&authority, request, shown, caller.as_ref())?;
        let joined = self.proposer.propose(command).await;
        joined.map_err(|why| refusal::unproposed(&why))?;
        tracing::info!(node = %subject.node, role = subject.role.word(), %addr, "admitted");
        Ok(Response::new(issued(certificate_pem, subject, authority.bundle)))
    }
}

/// What has to hold of a token in the entry that makes a node by it: it may be rotated, or used up, after it was looked at.
fn still_admits(shown: Shown, token: String, at: Timestamp) -> Command {
    let Shown { role, limited } = shown;
    Command::Token(match limited {
        Some(hash) => TokenStep::Use { at, hash },
        None => TokenStep::Hold {
            role,
            token: token.into(),
        },
    })
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

    #[test]
    fn what_is_shown_must_still_admit_when_the_node_is_made() {
        let (role, at) = (model::Role::Worker, Timestamp(7));
        let entry = |limited| still_admits(Shown { role, limited }, "token".to_owned(), at);
        let token = "token".to_owned().into();
        assert_eq!(entry(None), Command::Token(TokenStep::Hold { role, token }));
        let hash = "hash".to_owned();
        assert_eq!(entry(Some(hash.clone())), Command::Token(TokenStep::Use { at, hash }));
    }
}
