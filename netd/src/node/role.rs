//! The node becomes what the managers want it to be: its manager is started when raft takes it in, and stopped and
//! forgotten when raft has let it go. Agent, containers and datapath take no notice.
//!
//! What holds across restarts: `node.json` says "manager" only while there is a raft file, or one that was set aside
//! because raft has let this node go, which settles it at the next start. A node that was told in the meantime is told
//! again in its next session.

use std::{
    future::pending,
    sync::{Arc, Weak},
    time::Duration,
};

use agent::session::{Calling, Manager as KnownManager};
use anyhow::Result;
use model::{Role, SeatStep};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Member, Node, unlock::is_locked};
use crate::{
    parts::ManagerPart,
    refusal::{Outcome, Refusal},
    state,
};

/// Until the next attempt, after one that failed.
const ROLE_RETRY: Duration = Duration::from_secs(5);
/// How long a node that joins as a manager waits to be one, and how often it looks.
const PROMOTION: Duration = Duration::from_secs(20);
const PROMOTION_POLL: Duration = Duration::from_millis(20);
const PROMOTION_LATE: &str = "Timeout was reached before node joined. The attempt to join the swarm as a manager will \
    continue in the background. Use the \"netctl info\" command to see the current swarm status of your node.";

impl Node {
    /// Waits until the managers want something else of this node than it is.
    pub(super) async fn called(&self) -> Calling {
        let Some(member) = &self.member else {
            return pending().await;
        };
        sleep_until(self.next_role).await;
        let had = member.place.last_member;
        let lacks_manager = member.lacks_manager();
        let running = member.manager.as_ref().map(|manager| manager.member());
        let running = running.or(lacks_manager.then_some(had));
        // One that could not be started keeps its log until raft has let it go.
        // A higher raft id than the one that it had says so.
        let may_take = member.identity.role == Role::Manager && (!lacks_manager || had > 0);
        let other = |calling: &Option<Calling>| match calling.and_then(|calling| calling.seat.step(running, had)) {
            None => false,
            Some(SeatStep::GiveUp) => true,
            Some(SeatStep::Take(_)) => may_take,
        };
        let mut calling = member.agent.calling();
        let called = calling.wait_for(other).await.map(|calling| *calling);
        match called {
            Ok(Some(calling)) => calling,
            _ => pending().await,
        }
    }

    /// Starts or stops the manager. What fails is tried again later, and shown until then.
    pub(super) async fn follow(&mut self, calling: Calling) {
        let done = match calling.seat.member {
            Some(id) => self.take_seat(id).await,
            None => self.give_up_seat().await,
        };
        self.note_role(done);
    }

    /// Raft has let this node's manager go.
    pub(super) async fn step_down(&mut self) {
        let done = self.give_up_seat().await;
        self.note_role(done);
    }

    fn note_role(&mut self, done: Result<()>) {
        if let Some(member) = &mut self.member {
            member.role_error = match &done {
                Ok(()) => String::new(),
                Err(error) => format!("this node cannot become what the managers want it to be: {error:#}"),
            };
        }
        if let Err(error) = done {
            tracing::error!(error = format!("{error:#}"), "role not taken");
            self.next_role = Instant::now() + ROLE_RETRY;
        }
        self.publish();
    }

    async fn take_seat(&mut self, id: u64) -> Result<()> {
        self.give_up_seat().await?;
        let Some(member) = &mut self.member else { return Ok(()) };
        let manager = match self.parts.new_manager(&member.place, &member.identity, id).await {
            Err(error) if is_locked(&error) => return self.await_key(id),
            made => made?,
        };
        member.covered = None;
        let before = std::mem::replace(&mut member.place.last_member, id);
        member.place.manager = true;
        if let Err(error) = member.place.save(&self.data_root) {
            (member.place.manager, member.place.last_member) = (false, before);
            manager.stop().await;
            return Err(error);
        }
        tracing::info!(member = id, "this node is a manager from now on");
        keep_told(member, &manager);
        member.manager = Some(manager);
        Ok(())
    }

    /// An attempt before was cut short when raft had taken this node in and its log was locked, but not yet written down
    /// that it is a manager: it is one that waits for its key.
    fn await_key(&mut self, id: u64) -> Result<()> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let mut place = member.place.clone();
        (place.manager, place.last_member) = (true, id);
        place.save(&self.data_root)?;
        (member.place, member.locked) = (place, true);
        Ok(())
    }

    async fn give_up_seat(&mut self) -> Result<()> {
        let Some(member) = &mut self.member else { return Ok(()) };
        if member.manager.is_none() && !member.place.manager {
            return Ok(());
        }
        self.uncover().await?;
        let Some(member) = &mut self.member else { return Ok(()) };
        let manager = member.manager.take();
        member.locked = false;
        tracing::info!("this node is no manager any more");
        self.publish();
        let last = manager.as_ref().map_or(0, |manager| manager.member());
        if let Some(manager) = manager {
            manager.stop().await;
        }
        let Some(member) = &mut self.member else { return Ok(()) };
        if last > member.place.last_member {
            member.place.last_member = last;
            member.place.save(&self.data_root)?;
        }
        state::set_aside(&self.data_root)?;
        let mut place = member.place.clone();
        place.manager = false;
        place.save(&self.data_root)?;
        member.place = place;
        state::drop_aside(&self.data_root)
    }

    /// After a join as a manager: waits until this node is one and knows the cluster.
    pub(super) async fn promotion(&mut self) -> Outcome<()> {
        let deadline = Instant::now() + PROMOTION;
        loop {
            let manager = self.member.as_ref().and_then(|member| member.manager.clone());
            if let Some(manager) = manager {
                let knows = async {
                    while manager.summary().nodes == 0 {
                        sleep(PROMOTION_POLL).await;
                    }
                };
                let known = timeout(deadline.saturating_duration_since(Instant::now()), knows).await;
                return known.map_err(|_| Refusal::of_state(PROMOTION_LATE));
            }
            tokio::select! {
                identity = self.renewed() => self.identify(identity),
                calling = self.called() => self.follow(calling).await,
                () = sleep_until(deadline) => return Err(Refusal::of_state(PROMOTION_LATE)),
            }
        }
    }
}

/// As long as `manager` lives it hears who the managers are from its node's session.
pub(super) fn keep_told(member: &Member, manager: &Arc<dyn ManagerPart>) {
    tokio::spawn(tell(member.agent.managers(), Arc::downgrade(manager)));
}

async fn tell(mut managers: watch::Receiver<Vec<KnownManager>>, manager: Weak<dyn ManagerPart>) {
    loop {
        let known = managers.borrow_and_update().clone();
        let Some(manager) = manager.upgrade() else { return };
        manager.tell(&known);
        drop(manager);
        if managers.changed().await.is_err() {
            return;
        }
    }
}
