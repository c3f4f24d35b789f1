//! Whether the node's certificate is valid by the node's own clock, and what it means if not.
//!
//! A caller does not hear from TLS 1.3 why its certificate was refused, so that a node has to see for itself. It calls all
//! the same, for its clock may be the one that is wrong.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::Role;
use peer::{Subject, Validity, span_in_words};

use super::Identity;

/// What is to be done about a certificate that has ended.
const REJOIN: &str = "let it leave (\"netctl swarm leave --force\" on it) and join again";
const RESTART: &str = "its manager signs itself another within ten minutes, or when netd is started again; if it does not, let \
    the node leave (\"netctl swarm leave --force\" on it) and join again";

/// How a certificate is not valid at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Invalid {
    /// It begins later.
    Begins(Duration),
    /// It has ended.
    Ended(Duration),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins(wait) => write!(f, "begins in {}", span_in_words(*wait)),
            Self::Ended(since) => write!(f, "ended {} ago", span_in_words(whole_hours(*since))),
        }
    }
}

/// So that words that are said again and again stay the same for a while.
fn whole_hours(span: Duration) -> Duration {
    match span.as_secs() {
        few if few < 3600 => span,
        many => Duration::from_secs(many / 3600 * 3600),
    }
}

/// Seconds that are left of a certificate when its node insists on a right clock no more. It was due long before.
fn margin(life: Validity) -> i64 {
    let span = life.not_after.saturating_sub(life.not_before);
    (span / 10).max(2 * 3600)
}

fn invalid(life: Validity, now: i64) -> Option<Invalid> {
    let span = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
    match life {
        life if life.holds(now) => None,
        life if now < life.not_before => Some(Invalid::Begins(span(life.not_before - now))),
        life => Some(Invalid::Ended(span(now - life.not_after))),
    }
}

impl Identity {
    /// Whether the certificate is valid by this host's clock. What cannot be read is not for this to say.
    pub fn is_in_force(&self) -> bool {
        self.life().is_none_or(|life| life.holds(now()))
    }

    fn life(&self) -> Option<Validity> {
        Subject::validity(&self.certificate_pem).ok()
    }

    /// Why managers may refuse this node, in words; `None` while its certificate is valid, and while it cannot show it: its
    /// manager waits for the unlock key, and looks then.
    pub(crate) fn not_in_force(&self, now: i64) -> Option<String> {
        if self.is_sealed() {
            return None;
        }
        let how = invalid(self.life()?, now)?;
        Some(match how {
            Invalid::Begins(_) => format!(
                "this node's certificate {how} by the clock of this host: it is behind, or that of the manager that signed \
                 was ahead. Set them (NTP)"
            ),
            Invalid::Ended(_) => format!(
                "this node's certificate {how} by the clock of this host, and managers refuse it. If the clock is wrong, \
                 set it (NTP); if it is right, {}",
                self.way_out()
            ),
        })
    }

    /// What is to be done where the certificate has ended.
    fn way_out(&self) -> &'static str {
        match self.role {
            Role::Worker => REJOIN,
            Role::Manager => RESTART,
        }
    }

    /// Whether `renewed` may take the place of this identity; if not, why. One that is not valid yet is taken only if the
    /// one before does not last well beyond that: by the clocks of managers, which may be the right ones, it ends sooner.
    pub(super) fn gives_way_to(&self, renewed: &Self, now: i64) -> Result<(), String> {
        let Some((new, how)) = renewed.life().and_then(|new| Some((new, invalid(new, now)?))) else {
            return Ok(());
        };
        let well_beyond = |old: &Validity| now.max(new.not_before) + margin(*old);
        let lasts = self.life().is_some_and(|old| old.holds(well_beyond(&old)));
        match lasts {
            false => Ok(()),
            true => Err(format!(
                "the certificate that was signed {how} by the clock of this host, and is not taken: set the clocks of both \
                 hosts (NTP)"
            )),
        }
    }
}

/// This host's clock, in seconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
