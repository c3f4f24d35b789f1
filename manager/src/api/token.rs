//! Join tokens, as users ask for them.

use std::time::Duration;

use model::{JoinToken, LimitedToken, Role};
use store::{Command, Refused, TokenStep, View};
use tonic::Status;
use wire::pb;

use super::{Api, refusal, request_id};
use crate::{mint, token};

/// Longest life of a token with limits; one without a limit needs none.
const MAX_TTL: Duration = Duration::from_secs(365 * 86_400);

/// What a token is to be limited to.
struct Limits {
    ttl: Option<Duration>,
    uses: Option<u32>,
}

impl Limits {
    /// `None` if there shall be none.
    fn of(request: &pb::GetJoinTokenRequest) -> Result<Option<Self>, Status> {
        let (ttl, uses) = (request.ttl.map(Duration::from_nanos), request.uses);
        if ttl.is_none() && uses.is_none() {
            return Ok(None);
        }
        let wrong = |words: &str| Err(Status::invalid_argument(words));
        match (ttl, uses) {
            _ if request.rotate => wrong("--rotate changes the token without limits: use it without --ttl and --uses"),
            (Some(ttl), _) if !(Duration::from_secs(1)..=MAX_TTL).contains(&ttl) => {
                wrong("--ttl must be between 1s and 8760h (365 days)")
            }
            (_, Some(0)) => wrong("--uses must be at least 1"),
            _ => Ok(Some(Self { ttl, uses })),
        }
    }
}

impl Api {
    pub(super) async fn get_join_token(
        &self,
        request: pb::GetJoinTokenRequest,
    ) -> Result<pb::GetJoinTokenResponse, Status> {
        let role = match request.role() {
            pb::Role::Manager => Role::Manager,
            _ => Role::Worker,
        };
        let token = match Limits::of(&request)? {
            Some(limits) => self.limited_token(&request.request, role, &limits).await?,
            None => self.cluster_token(&request, role).await?,
        };
        Ok(pb::GetJoinTokenResponse {
            token,
            manager_addr: self.advertise_addr.to_string(),
        })
    }

    async fn cluster_token(&self, request: &pb::GetJoinTokenRequest, role: Role) -> Result<String, Status> {
        let mut view = self.read().await?;
        if request.rotate {
            let fresh = mint::bits().to_le_bytes();
            let id = request_id(&request.request)?;
            let plan = move |view: &View| rotated(view, role, fresh);
            view = self.queue.change_newest(id, plan).await?;
        }
        let cluster = view.cluster().ok_or_else(|| refusal::refused(&Refused::NoCluster))?;
        Ok(token::of_role(cluster, role).to_owned())
    }

    async fn limited_token(&self, request: &str, role: Role, limits: &Limits) -> Result<String, Status> {
        let (id, at) = (request_id(request)?, mint::now());
        let before = self.read().await?;
        let text = another(&before, role, mint::bits().to_le_bytes()).map_err(|why| refusal::refused(&why))?;
        let minted = LimitedToken {
            hash: token::hash(&text),
            role,
            expires_at: limits.ttl.map(|ttl| at + ttl),
            uses_left: limits.uses,
            spent_at: None,
        };
        let hash = minted.hash.clone();
        let plan = move |_: &View| {
            let token = Box::new(minted.clone());
            Ok(Command::Token(TokenStep::Mint { at, token }))
        };
        let after = self.queue.change(id, plan).await?;
        let root = |view: &View| view.cluster().map(|cluster| cluster.root_ca.clone());
        let kept = after.limited_tokens().any(|token| token.hash == hash);
        match kept && root(&before) == root(&after) {
            true => Ok(text),
            // A repeated request, whose token was told the first time; or one that pins a root that was replaced.
            false => Err(Status::aborted("this join token was not made: ask for another")),
        }
    }
}

/// A token like that of `role`, with another secret.
fn another(view: &View, role: Role, secret: [u8; 16]) -> Result<String, Refused> {
    let cluster = view.cluster().ok_or(Refused::NoCluster)?;
    let known = token::of_role(cluster, role).parse::<JoinToken>();
    let digest = known.map_err(|why| Refused::Invalid(why.to_string()))?.digest;
    Ok(JoinToken { digest, secret }.to_string())
}

/// New tokens: the one of `role` with another secret, the other as it is.
fn rotated(view: &View, role: Role, secret: [u8; 16]) -> Result<Command, Refused> {
    let cluster = view.cluster().ok_or(Refused::NoCluster)?;
    let (fresh, secrets) = (another(view, role, secret)?, &cluster.secrets);
    let (worker, manager) = match role {
        Role::Worker => (fresh, secrets.manager_token.clone()),
        Role::Manager => (secrets.worker_token.clone(), fresh),
    };
    Ok(Command::UpdateTokens {
        version: cluster.version,
        worker: worker.into(),
        manager: manager.into(),
    })
}
