//! Join tokens in the entry that makes a node: those of the roles must not have been rotated meanwhile, those with limits
//! are kept by the hash of their text, and counted.

use std::{sync::Arc, time::Duration};

use model::{LimitedToken, Role, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Hidden, Refused, State};

/// How many join tokens with limits there may be, those that have ended lately included.
pub const MAX_LIMITED_TOKENS: usize = 1000;

/// For so long whoever shows a token that has ended is told so; then it is unknown.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// A change of the join tokens with limits, or what has to hold of those of the roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenStep {
    /// One more. Those that ended more than a day ago go.
    Mint {
        /// When.
        at: Timestamp,
        /// The new one.
        token: Box<LimitedToken>,
    },
    /// A node is admitted by it. Belongs into one [`Command::Batch`](crate::Command::Batch) with the node.
    Use {
        /// When.
        at: Timestamp,
        /// Which; see [`LimitedToken::hash`].
        hash: String,
    },
    /// A node is admitted by the token of a role, as long as that is this one. As with [`TokenStep::Use`].
    Hold {
        /// Of which role.
        role: Role,
        /// The whole token.
        token: Hidden,
    },
}

impl State {
    /// All join tokens with limits, also those that have ended.
    pub fn limited_tokens(&self) -> impl Iterator<Item = &LimitedToken> {
        self.tables.tokens.values().map(AsRef::as_ref)
    }

    /// The token with this hash, if it admits a node at `at`; or else why not.
    pub fn usable_token(&self, hash: &str, at: Timestamp) -> Result<&LimitedToken, Refused> {
        let token = self.tables.tokens.get(hash).ok_or(Refused::TokenUnknown)?;
        match token.ended_at(at) {
            None => Ok(token),
            Some(_) if token.spent_at.is_some() => Err(Refused::TokenSpent),
            Some(_) => Err(Refused::TokenExpired),
        }
    }

    pub(crate) fn token_step(&mut self, step: TokenStep) -> Result<(), Refused> {
        match step {
            TokenStep::Mint { at, token } => self.mint_token(at, *token),
            TokenStep::Use { at, hash } => self.use_token(at, &hash),
            TokenStep::Hold { role, token } => self.hold_token(role, &token.0),
        }
    }

    fn hold_token(&self, role: Role, token: &str) -> Result<(), Refused> {
        let secrets = &self.cluster().ok_or(Refused::NoCluster)?.secrets;
        let known = match role {
            Role::Worker => &secrets.worker_token,
            Role::Manager => &secrets.manager_token,
        };
        if known != token || token.is_empty() {
            return Err(Refused::TokenUnknown);
        }
        Ok(())
    }

    /// The limited tokens of a role admit nobody any more; without a role, none does.
    pub(crate) fn drop_tokens(&mut self, of: Option<Role>) {
        self.keep_tokens(|token| of.is_some_and(|role| token.role != role));
    }

    fn keep_tokens(&mut self, keep: impl Fn(&LimitedToken) -> bool) {
        let kept = self.tables.tokens.values().filter(|token| keep(token));
        self.tables.tokens = kept.map(|token| (token.hash.clone(), token.clone())).collect();
    }

    fn mint_token(&mut self, at: Timestamp, token: LimitedToken) -> Result<(), Refused> {
        if self.tables.cluster.is_none() {
            return Err(Refused::NoCluster);
        }
        let forgotten = |token: &LimitedToken| token.ended_at(at).is_some_and(|end| at.since(end) >= REMEMBERED);
        self.keep_tokens(|token| !forgotten(token));
        if self.tables.tokens.len() >= MAX_LIMITED_TOKENS {
            let ended = self
                .limited_tokens()
                .filter_map(|token| Some((token.ended_at(at)?, &token.hash)));
            let first = ended.min().map(|(_, hash)| hash.clone());
            self.tables.tokens.remove(&first.ok_or(Refused::TooManyTokens)?);
        }
        self.tables.tokens.insert(token.hash.clone(), Arc::new(token));
        Ok(())
    }

    fn use_token(&mut self, at: Timestamp, hash: &str) -> Result<(), Refused> {
        let mut token = self.usable_token(hash, at)?.clone();
        if let Some(left) = &mut token.uses_left {
            *left = left.saturating_sub(1);
            token.spent_at = (*left == 0).then_some(at);
        }
        self.tables.tokens.insert(token.hash.clone(), Arc::new(token));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
