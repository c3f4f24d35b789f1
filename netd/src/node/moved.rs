//! A node whose address has gone from this host takes another, and its manager and agent begin anew there; containers and
//! datapath go on. The others know it by its identity, and hear from it where it is.

use std::{net::SocketAddr, time::Duration};

use tokio::time::Instant;
use wire::pb;

use super::{Member, Node, words::remote};
use crate::{
    refusal::{Outcome, Refusal},
    relocate::relocate,
    state::NodeState,
};

/// How often the addresses of the host are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(2);
/// An address that comes back within this was never gone: a device that is set up anew loses its own for a moment.
const GONE: Duration = Duration::from_secs(5);
/// So many of an operator's hints are kept.
const MAX_PEERS: usize = 8;

impl Node {
    /// Looks at the host's addresses, and moves if one of ours has been gone for a while.
    pub(super) async fn look(&mut self) {
        let Some(member) = &self.member else { return };
        let host = match self.parts.addresses() {
            Ok(host) => host,
            Err(error) => return tracing::warn!(error = format!("{error:#}"), "cannot look for this node's address"),
        };
        let routed = || managers(member).into_iter().find_map(|addr| self.parts.source(addr));
        let found = relocate(&member.place, &host, routed);
        if found.as_ref().is_ok_and(|place| *place == member.place) {
            self.lost = None;
            self.complain(String::new());
            self.look_at_certificate().await;
        } else if self.lost.get_or_insert_with(Instant::now).elapsed() >= GONE {
            let old = member.place.advertise_addr.ip();
            match found {
                Ok(place) => self.move_to(place).await,
                Err(error) => self.complain(format!("this node's address {old} is on no device any more: {error}")),
            }
        }
    }

    /// Shows what keeps this node from having an address; empty if nothing does.
    fn complain(&mut self, why: String) {
        let Some(member) = self.member.as_mut().filter(|member| member.place_error != why) else {
            return;
        };
        if !why.is_empty() {
            tracing::error!("{why}");
        }
        member.place_error = why;
        self.publish();
    }

    /// What is on the disk counts: a daemon that is cut short here comes back at the new place.
    async fn move_to(&mut self, mut place: NodeState) {
        let Some(member) = &self.member else { return };
        let (old, new) = (member.place.advertise_addr, place.advertise_addr);
        place.managers = managers(member);
        if member.manager.is_some() {
            place.managers.retain(|addr| *addr != old);
            place.managers.insert(0, new);
        }
        if let Err(error) = place.save(&self.data_root) {
            return self.complain(format!("this node cannot move from {old} to {new}: {error:#}"));
        }
        tracing::warn!(%old, %new, tunnels = %place.data_path_addr, "this node's address has gone: it is elsewhere from now on");
        self.lost = None;
        self.begin_anew().await;
    }
}

impl Node {
    /// Keeps where a manager may be, for all parts and for later runs of the daemon.
    pub(super) async fn join_addr(&mut self, request: &pb::JoinAddrRequest) -> Outcome<()> {
        let addr = &request.addr;
        let found = remote(addr).await?;
        let Some(member) = &mut self.member else {
            return Err(Refusal::of_state("This node is not part of a swarm"));
        };
        // What was typed may be a name that leads elsewhere one day.
        let peer = match addr.rsplit_once(':') {
            Some(_) => addr.clone(),
            None => format!("{addr}:{}", found.port()),
        };
        let mut place = member.place.clone();
        place.peers.retain(|known| *known != peer);
        place.peers.insert(0, peer);
        place.peers.truncate(MAX_PEERS);
        place.save(&self.data_root)?;
        self.parts.hint(&place.peers);
        member.place = place;
        self.publish();
        Ok(())
    }
}

/// Control ports of the managers that the node knows, those from its session first.
fn managers(member: &Member) -> Vec<SocketAddr> {
    let told = member.agent.status().managers;
    let mut known: Vec<SocketAddr> = told.iter().filter_map(|addr| addr.parse().ok()).collect();
    for addr in &member.place.managers {
        if !known.contains(addr) {
            known.push(*addr);
        }
    }
    known
}
