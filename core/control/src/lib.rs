//! The deciders: functions from a snapshot of the state, the time and fresh ids to commands.
//!
//! Pure: they propose nothing, wait for nothing, ask no clock. The leader's loop (crate `manager`) runs [`pass`] when
//! events marked something dirty or [`next_deadline`] has come, and proposes what it returns; the API edge plans user
//! requests with the `plan_` functions; the dispatcher keeps a [`Board`] and asks each session's [`Feed`] what to tell its node; [`Heartbeats`] says
//! which nodes are down. What they decided on may have changed by the time it is applied: `store` checks it again.

mod acks;
mod allocator;
mod assignment;
mod attempts;
mod dirty;
mod draft;
mod kept;
mod liveness;
mod lookup;
mod membership;
mod moment;
mod news;
mod orchestrator;
mod pass;
mod reaper;
mod rebalance;
mod request;
mod rotation;
mod scheduler;
mod status;
mod takeover;
mod why;

#[cfg(test)]
mod history;
#[cfg(test)]
mod testbed;

pub use acks::{Acks, let_go};
pub use assignment::{Board, EndpointRow, Feed, Known, TUNNEL_OVERHEAD, Touched, Update, Verdict, node_view};
pub use attempts::{JoinAttempts, TooManyAttempts, source_network};
pub use dirty::Dirty;
pub use draft::Ids;
pub use kept::forgotten;
pub use liveness::Heartbeats;
pub use lookup::{find_network, find_node, find_payload, find_service, find_task};
pub use membership::{MemberMove, Members, check_demotion, is_released, next_member_move};
pub use moment::Moment;
pub use news::is_news;
pub use pass::{next_deadline, pass};
pub use rebalance::plan_rebalance_service;
pub use request::{
    plan_abort_canary, plan_create_network, plan_create_payload, plan_create_service, plan_init, plan_label_payload,
    plan_promote_canary, plan_remove_payload, plan_rollback_service, plan_rotate_payload, plan_update_cluster,
    plan_update_service,
};
pub use status::{ServiceStatus, service_status};
pub use takeover::{plan_restored, plan_sole_manager, raft_ids_gap, takeover_gap};
pub use why::{Finding, why_service, why_task};
