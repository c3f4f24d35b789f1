//! Keeps the node's certificate fresh: a new key and certificate somewhere between half and four fifths of its life.
//!
//! At once when the managers want another role of the node than the certificate has, and, give or take, when they sign with another root. Otherwise spread, as in Swarm, so that nodes that joined together do not renew together. The new identity is on disk before
//! anybody uses it; running sessions keep the old one until they end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use seal::Keys;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};
use tonic::transport::Channel;

use peer::{PeerError, Subject, Validity};

use super::{Identity, IdentityError, confirm, life::now, renew};
use crate::session::{Calling, SessionState, Trust};

/// Longest sleep: the wall clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(3600);
/// Until the next attempt to get a certificate for another role.
const ROLE_RETRY: Duration = Duration::from_secs(1);
/// Between two renewals, also where clocks disagree so much that a new certificate is due at once.
const RETRY: Duration = Duration::from_secs(60);
/// Between two steps after the cluster's root.
const FOLLOW: Duration = Duration::from_millis(500);

/// What the node has to do for its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing, for this long.
    Wait(Duration),
    /// Get a new certificate: the old one's time has come.
    Renew,
    /// Get one for the role that it is called to.
    ChangeRole,
    /// Get one under another root, anywhere within this span.
    Recertify(Duration),
    /// Trust these roots.
    Adopt(String),
    /// Tell the managers what it has.
    Confirm,
}

/// `share` (0 to 255) says where between 50 % and 80 % of its life a certificate is renewed; `now` is in seconds since
/// the epoch.
fn step(
    identity: &Identity,
    trust: Option<&Trust>,
    calling: Option<Calling>,
    share: u8,
    now: i64,
) -> Result<Step, PeerError> {
    if calling.is_some_and(|called| called.role != identity.role) {
        return Ok(Step::ChangeRole);
    }
    let wait = due(Subject::validity(&identity.certificate_pem)?, share, now);
    if wait.is_zero() {
        return Ok(Step::Renew);
    }
    let Some(trust) = trust else {
        return Ok(Step::Wait(wait));
    };
    if peer::issuer(&identity.certificate_pem, &trust.roots_pem)?.as_ref() != Some(&trust.issuer) {
        return Ok(Step::Recertify(trust.spread));
    }
    Ok(match trust.confirmed {
        _ if identity.ca_pem != trust.roots_pem => Step::Adopt(trust.roots_pem.clone()),
        false => Step::Confirm,
        true => Step::Wait(wait),
    })
}

/// How the key is to lie on the disk from now on: sealed under these keys, or in clear. Answered once it does.
#[derive(Debug)]
pub struct CoverOrder {
    /// `None`: in clear.
    pub keys: Option<Arc<Keys>>,
    /// Whether it does; else why not.
    pub done: oneshot::Sender<Result<(), IdentityError>>,
}

/// Where the orders come from.
pub(crate) type Covers = mpsc::Receiver<CoverOrder>;

/// The identity's one writer.
struct Keeper {
    identity: watch::Sender<Identity>,
    session: watch::Receiver<SessionState>,
    data_root: PathBuf,
    keys: Option<Arc<Keys>>,
    /// When to get a certificate under another root, while there is one to get.
    recertify: Option<Instant>,
}

/// Renews `identity` when it is due, and follows the cluster's root and the node's role, until the handle is aborted.
pub(crate) fn keep_fresh(
    identity: watch::Sender<Identity>,
    session: watch::Receiver<SessionState>,
    mut trust: watch::Receiver<Option<Trust>>,
    mut calling: watch::Receiver<Option<Calling>>,
    mut covers: Covers,
    data_root: PathBuf,
) -> JoinHandle<()> {
    let mut keeper = Keeper {
        identity,
        session,
        data_root,
        keys: None,
        recertify: None,
    };
    tokio::spawn(async move {
        let share = dice();
        loop {
            let current = keeper.identity.borrow().clone();
            let told = trust.borrow_and_update().clone();
            let called = *calling.borrow_and_update();
            let step = step(&current, told.as_ref(), called, share, now()).unwrap_or_else(|error| {
                tracing::error!(%error, "the certificate cannot be read");
                Step::Renew
            });
            let step = keeper.spread(step);
            let pause = match &step {
                Step::Wait(wait) => (*wait).min(LOOK),
                Step::Renew => RETRY,
                Step::ChangeRole => ROLE_RETRY,
                Step::Recertify(_) | Step::Adopt(_) | Step::Confirm => FOLLOW,
            };
            if let Err(reason) = keeper.carry_out(step, &current).await {
                tracing::warn!(%reason, "the certificate is not as it should be, trying again");
            }
            keeper.sleep(pause, (&mut trust, &mut calling), &mut covers).await;
        }
    })
}

impl Keeper {
    /// Not all nodes follow another root at once: waits for a moment within the span that was told, and does what else is to
    /// be done meanwhile.
    fn spread(&mut self, step: Step) -> Step {
        let Step::Recertify(span) = step else {
            self.recertify = None;
            return step;
        };
        let now = Instant::now();
        let drawn = || now + span * u32::from(dice()) / 255;
        match *self.recertify.get_or_insert_with(drawn) {
            at if at > now => Step::Wait(at - now),
            _ => {
                self.recertify = None;
                step
            }
        }
    }

    /// Ends early when the managers say something else, or once the key lies on the disk as was ordered.
    async fn sleep(
        &mut self,
        span: Duration,
        (trust, calling): (
            &mut watch::Receiver<Option<Trust>>,
            &mut watch::Receiver<Option<Calling>>,
        ),
        covers: &mut Covers,
    ) {
        let told = async {
            let ended = tokio::select! {
                changed = trust.changed() => changed.is_err(),
                changed = calling.changed() => changed.is_err(),
                Some(order) = covers.recv() => { self.cover(order); false }
            };
            if ended {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(span, told).await;
    }

    fn cover(&mut self, CoverOrder { keys, done }: CoverOrder) {
        let saved = self.identity.borrow().save(&self.data_root, keys.as_deref());
        if saved.is_ok() {
            self.keys = keys;
        }
        // Who ordered may have gone.
        let _ = done.send(saved);
    }

    /// A new identity is on disk before anybody has it.
    async fn carry_out(&self, step: Step, current: &Identity) -> Result<(), String> {
        let session = &self.session;
        let renewed = match step {
            Step::Wait(_) => return Ok(()),
            Step::Adopt(roots) => Identity {
                ca_pem: roots,
                ..current.clone()
            },
            Step::Confirm => {
                let (manager, channel) = call(current, session).await?;
                return confirm(current, &manager, channel)
                    .await
                    .map_err(|error| error.to_string());
            }
            Step::Renew | Step::ChangeRole | Step::Recertify(_) => {
                let (manager, channel) = call(current, session).await?;
                let renewed = renew(current, &manager, channel)
                    .await
                    .map_err(|error| error.to_string())?;
                current
                    .gives_way_to(&renewed, now())
                    .map_err(|why| format!("manager {manager}: {why}"))?;
                renewed
            }
        };
        let saved = renewed.save(&self.data_root, self.keys.as_deref());
        saved.map_err(|error| error.to_string())?;
        self.identity.send_replace(renewed);
        Ok(())
    }
}

/// The manager that the session is with, and a channel to it.
async fn call(current: &Identity, session: &watch::Receiver<SessionState>) -> Result<(String, Channel), String> {
    let manager = session.borrow().manager.clone();
    let manager = manager.ok_or("no session with a manager")?;
    let channel = current.connect(&manager).await.map_err(|error| error.to_string())?;
    Ok((manager, channel))
}

/// How long until renewal; `share` (0 to 255) says where between 50 % and 80 % of the life.
fn due(life: Validity, share: u8, now: i64) -> Duration {
    let span = life.not_after.saturating_sub(life.not_before).max(0);
    let at = life.not_before + span / 2 + span * 3 / 10 * i64::from(share) / 255;
    Duration::from_secs(u64::try_from(at - now).unwrap_or(0))
}

fn dice() -> u8 {
    let mut byte = [0];
    // Without dice, the middle will do.
    getrandom::fill(&mut byte).map_or(127, |()| byte[0])
}

#[cfg(test)]
mod tests;
