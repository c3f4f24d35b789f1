//! Brings raft's members to what operators wish of nodes: on the leader, takes one step after the other as
//! `control::next_member_move` says, whenever a node or the members have changed.

use std::time::Duration;

use control::{MemberMove, next_member_move};
use store::Event;
use tokio::{
    sync::{broadcast, watch},
    time::sleep,
};

use crate::{
    mint,
    proposer::Proposer,
    raft::{News, Published},
};

/// How often it looks without being told; also after a step that was not taken.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Runs until the driver ends.
pub(crate) async fn run(proposer: Proposer) {
    let mut published = proposer.published();
    while published.wait_for(|p| p.standing.leads).await.is_ok() {
        // Events wait for whoever has asked for them, with the states that they belong to: not while another leads.
        let mut events = proposer.events();
        let now = published.borrow_and_update().clone();
        if !step(&proposer, &now).await && !changed(&mut published, &mut events, &now).await {
            return;
        }
    }
}

/// Takes a step; false if there was none to take, or it was not taken.
async fn step(proposer: &Proposer, now: &Published) -> bool {
    match next_member_move(&now.view, &now.members, mint::now()) {
        None => false,
        Some(MemberMove::HandOver { to }) => {
            tracing::info!(to, "this leader is to be demoted and hands over");
            proposer.driver().hand_over(to);
            false
        }
        Some(MemberMove::Change(change)) => match proposer.change_members(now.standing.term, change).await {
            Ok(_) => {
                tracing::info!(node = %change.node, member = change.raft_id, step = ?change.step, "raft's members changed");
                true
            }
            Err(why) => {
                tracing::info!(node = %change.node, member = change.raft_id, %why, "raft's members not changed");
                false
            }
        },
    }
}

/// Waits until there may be something to do; false once the driver has ended.
async fn changed(
    published: &mut watch::Receiver<Published>,
    events: &mut broadcast::Receiver<News>,
    now: &Published,
) -> bool {
    let node_changed = async {
        loop {
            match events.recv().await {
                Ok(news) if !news.everything && !news.events().any(|event| matches!(event, Event::Node(_))) => {}
                _ => return,
            }
        }
    };
    tokio::select! {
        moved = published.wait_for(|p| p.members != now.members || p.standing != now.standing) => moved.is_ok(),
        () = node_changed => true,
        () = sleep(LOOK_AGAIN) => true,
    }
}
