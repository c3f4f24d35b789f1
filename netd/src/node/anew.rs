//! A node that runs begins anew, for it is elsewhere or has to show another certificate.

use std::time::Duration;

use tokio::time::Instant;

use super::{Node, Standing};
use crate::gate::Door;

/// Between two beginnings for the sake of the certificate: where it does not help, for the root has ended, nothing is lost.
const ANEW: Duration = Duration::from_secs(600);

impl Node {
    /// A manager whose own certificate is not valid signs itself another when it starts: the clock was wrong when this one
    /// was signed, or it ended while there was no majority. Nobody else can renew it.
    pub(super) async fn look_at_certificate(&mut self) {
        let Some(member) = self.member.as_ref().filter(|member| member.manager.is_some()) else {
            return;
        };
        if Instant::now() < self.next_anew || self.parts.is_in_force(&member.identity) {
            return;
        }
        tracing::warn!("this node's certificate is not valid by the clock of this host: its manager begins anew");
        self.next_anew = Instant::now() + ANEW;
        self.begin_anew().await;
    }

    /// Manager and agent end and start again from the disk; containers and datapath go on.
    pub(super) async fn begin_anew(&mut self) {
        let manager = self.member.as_ref().and_then(|member| member.manager.as_ref());
        let unlock = manager.and_then(|manager| manager.unlock_key().parse().ok());
        self.standing.send_replace(Standing::Pending);
        self.end_parts(Door::Opening).await;
        self.resume(unlock).await;
    }
}
