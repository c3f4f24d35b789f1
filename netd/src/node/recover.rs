//! How a node brings a cluster back: by going on alone where the other managers are gone for good, or from a backup.

use manager::{Backup, BackupError};
use seal::UnlockKey;
use wire::pb;

use super::{Node, enter::welcome, role::keep_told, words::availability};
use crate::{
    advertise::{CONTROL_PORT, choose, listen},
    gate::{LOCKED, WORKER},
    parts::ManagerPart,
    refusal::{Outcome, Refusal},
    state::NodeState,
};

const NOTHING_TO_FORCE: &str = "This node is not part of a swarm: --force-new-cluster is for a manager that has lost the \
    majority of the others for good. Use \"netctl swarm init\" without it, or \"netctl swarm restore\" with a backup.";
const MAJORITY: &str = "The swarm has a leader: more than half of its managers are online, and nothing was changed. \
    --force-new-cluster is for a manager that has lost the majority of the others for good. Use \"netctl node demote\" \
    to be rid of single managers.";
const FIXED: &str = "--force-new-cluster keeps the swarm as it is: data path address and port, address pools and \
    autolock cannot be given with it";

impl Node {
    /// Goes on as the only manager of this node's cluster. Refused unless the majority is lost; whether it is for good
    /// only the operator can know.
    pub(super) async fn force_new_cluster(&mut self, request: &pb::InitRequest) -> Outcome<pb::InitResponse> {
        let (place, manager) = self.survivor(request).await?;
        let former_managers = manager.peers();
        let key = manager.unlock_key();
        let unlock = match key.as_str() {
            "" => None,
            key => Some(key.parse::<UnlockKey>().map_err(Refusal::of_request)?),
        };
        let Some(member) = &mut self.member else {
            return Err(Refusal::of_state(NOTHING_TO_FORCE));
        };
        tracing::warn!(former = ?former_managers, "this manager goes on alone");
        manager.stop().await;
        member.manager = None;
        // If it cannot go on alone it goes on as it was, and nobody has to bring the key.
        member.unlock.clone_from(&unlock);
        let identity = member.identity.clone();
        let started = self.parts.sole_manager(&place, &identity, unlock).await;
        if let Ok(manager) = &started {
            self.introduce(manager, identity).await?;
        }
        let outcome = self.seated(place, started);
        self.publish();
        let answer = outcome?;
        let _ = self.session().await;
        Ok(pb::InitResponse {
            former_managers,
            ..answer
        })
    }

    /// This node's place and running manager, if that one may go on alone.
    async fn survivor(&self, request: &pb::InitRequest) -> Outcome<(NodeState, std::sync::Arc<dyn ManagerPart>)> {
        let member = self.member.as_ref();
        let member = member.ok_or_else(|| Refusal::of_state(NOTHING_TO_FORCE))?;
        let manager = match &member.manager {
            Some(manager) => manager.clone(),
            None if member.locked => return Err(Refusal::of_state(LOCKED)),
            None if member.lacks_manager() => return Err(Refusal::of_state(member.role_error.clone())),
            None => return Err(Refusal::of_state(WORKER)),
        };
        let pools = !request.default_addr_pool.is_empty();
        if pools || request.autolock || request.data_path_port != 0 || !request.data_path_addr.is_empty() {
            return Err(Refusal::of_request(FIXED));
        }
        let place = self.moved(&member.place, request)?;
        if manager.has_majority().await? {
            return Err(Refusal::of_state(MAJORITY));
        }
        Ok((place, manager))
    }

    /// Where this node is if the operator says so anew: its host may have another address than when it joined.
    fn moved(&self, before: &NodeState, request: &pb::InitRequest) -> Outcome<NodeState> {
        let mut place = before.clone();
        let host = self.parts.addresses()?;
        if !request.listen_addr.is_empty() {
            place.listen_addr = listen("--listen-addr", &request.listen_addr, &host)?;
        }
        if !request.advertise_addr.is_empty() {
            place.advertise_addr = choose("--advertise-addr", &request.advertise_addr, &host)?;
            place.advertise_given.clone_from(&request.advertise_addr);
            if place.advertise_addr.port() == CONTROL_PORT {
                place.advertise_addr.set_port(place.listen_addr.port());
            }
        }
        Ok(place)
    }

    /// The manager that goes on alone takes its seat; or none does, and it is tried again as it was.
    fn seated(
        &mut self,
        place: NodeState,
        started: anyhow::Result<std::sync::Arc<dyn ManagerPart>>,
    ) -> Outcome<pb::InitResponse> {
        let Some(member) = &mut self.member else {
            return Err(Refusal::of_state(NOTHING_TO_FORCE));
        };
        let manager = match started {
            Ok(manager) => manager,
            Err(error) => {
                member.role_error = format!("this node's manager cannot go on alone: {error:#}");
                return Err(error.into());
            }
        };
        let moved = member.place != place;
        member.place = place;
        keep_told(member, &manager);
        let answer = welcome(&member.identity, &member.place, &manager);
        member.manager = Some(manager);
        member.unlock = None;
        member.covered = None;
        member.role_error.clear();
        if moved {
            member.place.save(&self.data_root)?;
        }
        answer.ok_or_else(|| Refusal::of_state("the swarm has no join token"))
    }

    /// Makes a cluster of a backup, with this node as its only manager.
    pub(super) async fn restore(&mut self, request: &pb::RestoreRequest) -> Outcome<pb::InitResponse> {
        let availability = availability(request.availability())?;
        let unlock = match request.unlock_key.as_str() {
            "" => None,
            key => Some(key.parse::<UnlockKey>().map_err(Refusal::of_request)?),
        };
        let place = self
            .place(
                &request.advertise_addr,
                &request.listen_addr,
                &request.data_path_addr,
                None,
            )
            .await?;
        let backup = Backup::open(&request.data, unlock.as_ref()).map_err(|why| unopened(&why))?;
        let hint = "free it: the swarm of the backup uses this port on every node";
        self.parts.fit(&place, backup.data_port(), hint)?;
        let former_managers = backup.managers();
        let (parts, at) = (self.parts.clone(), place.clone());
        let made = parts.restore(&at, backup, availability);
        let answer = self.found(place, made).await?;
        Ok(pb::InitResponse {
            former_managers,
            ..answer
        })
    }
}

fn unopened(why: &BackupError) -> Refusal {
    match why {
        BackupError::Sealed => Refusal::of_lock(why),
        why => Refusal::of_request(why),
    }
}
