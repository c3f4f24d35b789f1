//! Parts that do nothing but write down what they were asked.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use agent::{identity::JoinRequest, runtime::EngineFacts, session::Manager as KnownManager};
use anyhow::{Result, bail};
use futures::future::BoxFuture;
use manager::{Backup, InitParams, StartError};
use model::{Availability, ClusterId, NodeId, Role};
use seal::{KeyFileError, KeyId, Keys, UnlockKey};
use tonic::service::Routes;

use super::*;
use crate::{
    advertise::HostAddr,
    parts::{AgentStatus, Summary},
    preflight::Unfit,
};

/// What the fakes did, in order.
pub type Diary = Arc<Mutex<Vec<&'static str>>>;

/// As the last number of the host's address: it has none.
pub const NO_ADDRESS: u8 = u8::MAX;

/// The text of a certificate that is not valid.
pub const ENDED: &str = "ended";

/// Parts that do nothing but write it down.
#[derive(Default)]
pub struct Fake {
    pub diary: Diary,
    pub agent_fails: bool,
    pub in_swarm_mode: bool,
    pub leave_fails: bool,
    /// What the managers want of the node, as its session says.
    pub calling: watch::Sender<Option<Calling>>,
    /// Role of the certificate that a join gives.
    pub joins_as_manager: bool,
    /// A manager does not admit the node.
    pub is_refused: bool,
    pub manager_fails: Arc<AtomicBool>,
    /// Autolock is on while there is a key.
    pub lock: watch::Sender<Option<UnlockKey>>,
    /// The key of the identity on the disk.
    pub key_pem: String,
    /// The managers that run have no majority.
    pub majority_lost: bool,
    /// What its parts are told last of where managers may be.
    pub hints: Arc<Mutex<Vec<String>>>,
    /// Last number of the host's address; 0: as at first.
    pub addr: Arc<AtomicU8>,
    /// The certificate, by its text, that the manager signs itself when it starts again; empty if it has no need to.
    pub signs: String,
    /// Without it the manager does not start again.
    pub unlock_key: Option<UnlockKey>,
    /// A log is there that a manager left which was locked.
    pub log_is_locked: bool,
}

struct Running {
    diary: Diary,
    leave_fails: bool,
    majority_lost: bool,
    lock: watch::Sender<Option<UnlockKey>>,
    keys: Arc<Keys>,
    identity: watch::Sender<Identity>,
    calling: watch::Receiver<Option<Calling>>,
    member: u64,
    unlock_key: String,
    signed: Option<Identity>,
}

impl Running {
    fn note(&self, what: &'static str) {
        self.diary.lock().unwrap().push(what);
    }
}

impl ManagerPart for Running {
    fn signed(&self) -> Option<Identity> {
        self.signed.clone()
    }
    fn routes(&self) -> Routes {
        Routes::default()
    }
    fn summary(&self) -> Summary {
        Summary {
            managers: 1,
            nodes: 1,
            ..Summary::default()
        }
    }
    fn worker_token(&self) -> Option<String> {
        Some("SWMTKN-1-a-b".into())
    }
    fn unlock_key(&self) -> String {
        self.unlock_key.clone()
    }
    fn lock(&self) -> watch::Receiver<Option<UnlockKey>> {
        self.lock.subscribe()
    }
    fn cover(&self) -> Option<Arc<Keys>> {
        self.lock.borrow().is_some().then(|| self.keys.clone())
    }
    fn covered(&self, _: Option<KeyId>) {}
    fn identify(&self, _: &Identity) -> Result<()> {
        self.note("manager shows the new certificate");
        Ok(())
    }
    fn member(&self) -> u64 {
        self.member
    }
    fn tell(&self, _: &[KnownManager]) {}
    fn has_majority(&self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Ok(!self.majority_lost) })
    }
    fn peers(&self) -> Vec<String> {
        vec!["n1".to_owned()]
    }
    fn removed(&self) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }
    fn retire(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.note("manager retires");
            Ok(())
        })
    }
    fn failed(&self) -> BoxFuture<'static, String> {
        Box::pin(pending())
    }
    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.note("manager stops") })
    }
}

impl AgentPart for Running {
    fn status(&self) -> AgentStatus {
        AgentStatus {
            connected: true,
            ..AgentStatus::default()
        }
    }
    fn identity(&self) -> watch::Receiver<Identity> {
        self.identity.subscribe()
    }
    fn calling(&self) -> watch::Receiver<Option<Calling>> {
        self.calling.clone()
    }
    fn managers(&self) -> watch::Receiver<Vec<KnownManager>> {
        watch::channel(Vec::new()).1
    }
    fn cover(&self, keys: Option<Arc<Keys>>) -> BoxFuture<'_, Result<()>> {
        self.note(match keys {
            Some(_) => "agent seals its key",
            None => "agent keeps its key in clear",
        });
        Box::pin(async { Ok(()) })
    }
    fn counts(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn leave(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.note("agent leaves");
            match self.leave_fails {
                true => bail!("no engine"),
                false => Ok(()),
            }
        })
    }
    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.note("agent stops") })
    }
}

fn identity(role: Role) -> Identity {
    Identity {
        node: NodeId::from_bits(1),
        cluster: ClusterId::from_bits(2),
        role,
        certificate_pem: String::new(),
        key_pem: String::new(),
        ca_pem: String::new(),
    }
}

impl Fake {
    fn running(&self, what: &'static str, member: u64) -> Arc<Running> {
        self.begun(what, member, None)
    }

    /// A manager that was here before.
    fn resumed(&self, what: &'static str) -> Arc<Running> {
        let signed = || Identity {
            certificate_pem: self.signs.clone(),
            ..identity(Role::Manager)
        };
        self.begun(what, 1, (!self.signs.is_empty()).then(signed))
    }

    fn begun(&self, what: &'static str, member: u64, signed: Option<Identity>) -> Arc<Running> {
        self.diary.lock().unwrap().push(what);
        Arc::new(Running {
            diary: self.diary.clone(),
            leave_fails: self.leave_fails,
            majority_lost: self.majority_lost,
            lock: self.lock.clone(),
            keys: Arc::new(Keys::fresh()),
            identity: watch::Sender::new(identity(Role::Manager)),
            calling: self.calling.subscribe(),
            member,
            unlock_key: self.unlock_key.as_ref().map(ToString::to_string).unwrap_or_default(),
            signed,
        })
    }
}

impl Parts for Fake {
    fn engine(&self) -> BoxFuture<'_, Result<EngineFacts>> {
        Box::pin(async {
            Ok(EngineFacts {
                in_swarm_mode: self.in_swarm_mode,
                ..EngineFacts::default()
            })
        })
    }
    fn addresses(&self) -> Result<Vec<HostAddr>> {
        let addr = match self.addr.load(Ordering::Relaxed) {
            0 => "192.0.2.1".parse()?,
            NO_ADDRESS => return Ok(Vec::new()),
            last => format!("192.0.2.{last}").parse()?,
        };
        Ok(vec![HostAddr {
            device: "eth0".into(),
            addr,
        }])
    }
    fn is_in_force(&self, identity: &Identity) -> bool {
        identity.certificate_pem != ENDED
    }
    fn hint(&self, peers: &[String]) {
        *self.hints.lock().unwrap() = peers.to_vec();
    }
    fn source(&self, _: SocketAddr) -> Option<IpAddr> {
        None
    }
    fn fit(&self, _: &NodeState, _: u16, _: &'static str) -> Result<(), Unfit> {
        Ok(())
    }
    fn bootstrap<'a>(
        &'a self,
        _: &'a NodeState,
        _: InitParams,
    ) -> BoxFuture<'a, Result<(Arc<dyn ManagerPart>, Identity)>> {
        Box::pin(async {
            let manager: Arc<dyn ManagerPart> = self.running("manager starts", 1);
            Ok((manager, identity(Role::Manager)))
        })
    }
    fn data_port<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<u16>> {
        Box::pin(async { Ok(4790) })
    }
    fn join<'a>(&'a self, _: &'a JoinRequest) -> BoxFuture<'a, Result<Identity>> {
        Box::pin(async {
            if self.is_refused {
                bail!("invalid join token");
            }
            Ok(identity(if self.joins_as_manager {
                Role::Manager
            } else {
                Role::Worker
            }))
        })
    }
    fn keep(&self, _: &Identity) -> Result<()> {
        Ok(())
    }
    fn identity(&self, unlock: Option<&UnlockKey>) -> Result<Option<Identity>> {
        let mut found = identity(Role::Manager);
        if unlock.is_none() || unlock != self.unlock_key.as_ref() {
            found.key_pem.clone_from(&self.key_pem);
        }
        Ok(Some(found))
    }
    fn manager<'a>(
        &'a self,
        _: &'a NodeState,
        _: &'a Identity,
        unlock: Option<UnlockKey>,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>> {
        Box::pin(async move {
            if self.manager_fails.load(Ordering::Relaxed) {
                bail!("the log is damaged");
            }
            match (&self.unlock_key, unlock) {
                (Some(_), None) => return Err(StartError::Keys(KeyFileError::Locked).into()),
                (Some(key), Some(given)) if *key != given => {
                    return Err(StartError::Keys(KeyFileError::WrongKey).into());
                }
                _ => {}
            }
            let manager: Arc<dyn ManagerPart> = self.resumed("manager starts");
            Ok(manager)
        })
    }
    fn new_manager<'a>(
        &'a self,
        _: &'a NodeState,
        _: &'a Identity,
        member: u64,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>> {
        Box::pin(async move {
            if self.manager_fails.load(Ordering::Relaxed) {
                bail!("the port is taken");
            }
            if self.log_is_locked {
                return Err(StartError::Keys(KeyFileError::Locked).into());
            }
            let manager: Arc<dyn ManagerPart> = self.running("manager joins raft", member);
            Ok(manager)
        })
    }
    fn sole_manager<'a>(
        &'a self,
        _: &'a NodeState,
        _: &'a Identity,
        _: Option<UnlockKey>,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>> {
        Box::pin(async {
            if self.manager_fails.load(Ordering::Relaxed) {
                bail!("the log is damaged");
            }
            let manager: Arc<dyn ManagerPart> = self.resumed("manager goes on alone");
            Ok(manager)
        })
    }
    fn restore<'a>(
        &'a self,
        _: &'a NodeState,
        _: Backup,
        _: Availability,
    ) -> BoxFuture<'a, Result<(Arc<dyn ManagerPart>, Identity)>> {
        Box::pin(async {
            let manager: Arc<dyn ManagerPart> = self.running("manager is restored", 1);
            Ok((manager, identity(Role::Manager)))
        })
    }
    fn agent<'a>(&'a self, _: &'a NodeState, given: &'a Identity) -> BoxFuture<'a, Result<Arc<dyn AgentPart>>> {
        Box::pin(async {
            if self.agent_fails {
                bail!("the kernel refuses");
            }
            let agent = self.running("agent starts", 0);
            agent.identity.send_replace(given.clone());
            let agent: Arc<dyn AgentPart> = agent;
            Ok(agent)
        })
    }
}
