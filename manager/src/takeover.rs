//! A manager that goes on without the others: by force, with what it has, or from a backup on another host.

use std::{fs, io, path::Path};

use control::{plan_restored, plan_sole_manager, raft_ids_gap, takeover_gap};
use model::{Node, Timestamp};
use seal::UnlockKey;
use store::{Command, Entry, State};

use crate::{
    autolock::{self, Autolock},
    backup::Backup,
    certify,
    config::{InitParams, ManagerConfig, NodeCredentials},
    founding::manager_node,
    handle::ManagerHandle,
    listener, mint,
    raft::{Disk as _, DiskError, RedbDisk, Saved, begin_again},
    start::{Manager, StartError, own_cluster},
};

/// `state` after `command`, which comes far behind all that anybody may have been told.
fn gone_on(mut state: State, at: Timestamp, command: Command) -> Result<State, StartError> {
    let request = mint::request();
    state.apply(state.applied() + takeover_gap(at), Entry { request, command })?;
    Ok(state)
}

/// The log as it is before a manager goes on alone stays beside the new one: the operator may have been wrong about the
/// others, and it is all that this node can say of the time before. Whole on the disk when this returns.
fn keep_aside(log: &Path, index: u64) -> Result<(), StartError> {
    let aside = log.with_extension(format!("before-{index}.redb"));
    let copied = fs::copy(log, &aside)
        .and_then(|_| fs::File::open(&aside)?.sync_all())
        .and_then(|()| fs::File::open(log.parent().unwrap_or(log))?.sync_all());
    copied.map_err(|why: io::Error| {
        let _ = fs::remove_file(&aside);
        StartError::Aside {
            file: aside.display().to_string(),
            why,
        }
    })
}

impl Manager {
    /// Starts the manager that was here before as the only one of its cluster, with all that its log has. The others are
    /// workers from then on. One write to the disk changes everything: cut short, nothing has happened, or all.
    ///
    /// Only where the others are gone for good: those that go on by themselves do not hear of it.
    pub async fn force_new_cluster(
        mut config: ManagerConfig,
        credentials: NodeCredentials,
        unlock: Option<UnlockKey>,
    ) -> Result<ManagerHandle, StartError> {
        let listener = listener::bind(config.listen_addr).await.map_err(StartError::Listen)?;
        let autolock = Autolock::open(config.key_file(), unlock)?;
        let mut disk = RedbDisk::open(&config.raft_file(), autolock.keyring())?;
        let saved = disk.load()?;
        let state = saved.state()?.filter(|state| state.cluster().is_some());
        let state = state.ok_or(StartError::NoState)?;
        own_cluster(&config, &state, credentials.cluster)?;
        let now = mint::now();
        let command = plan_sole_manager(&state, credentials.node, now)?;
        let known = state.applied();
        let state = gone_on(state, now, command)?;
        let alone = Saved::of_sole_member(saved.member(), saved.term() + 1, &state)?;
        drop(disk);
        keep_aside(&config.raft_file(), known)?;
        let mut disk = RedbDisk::open(&config.raft_file(), autolock.keyring())?;
        begin_again(&mut disk, &alone)?;
        Self::run_old(&mut config, listener, disk, autolock, credentials)
    }

    /// Makes a cluster of one manager from a backup: the cluster's id, authority, tokens, networks and services, and the
    /// nodes, which are taken for lost until they come. This node is a new one, whatever it was before.
    pub async fn restore(
        mut config: ManagerConfig,
        backup: Backup,
        init: InitParams,
    ) -> Result<(ManagerHandle, NodeCredentials), StartError> {
        if Self::exists(&config) {
            // Before its keys are touched.
            return Err(DiskError::Io(format!("{} is there already", config.raft_file().display())).into());
        }
        let listener = listener::bind(config.listen_addr).await.map_err(StartError::Listen)?;
        Self::fill_port(&mut config, &listener)?;
        let term = backup.header.term;
        let credentials = certify::new_node(&backup.state)?;
        let now = mint::now();
        let raft_id = backup.state.highest_raft_id() + raft_ids_gap(now);
        let node: Node = manager_node(&config, &init, now, (credentials.node, raft_id));
        let command = plan_restored(&backup.state, node, now)?;
        let state = gone_on(backup.state, now, command)?;
        let first = Saved::of_sole_member(raft_id, term + 1, &state)?;
        let started = Self::begin_restored(&config, &state, &first)
            .and_then(|(disk, autolock)| Self::run_old(&mut config, listener, disk, autolock, credentials.clone()));
        match started {
            Ok(handle) => Ok((handle, credentials)),
            Err(why) => {
                let _ = Self::forget(&config);
                Err(why)
            }
        }
    }

    fn begin_restored(
        config: &ManagerConfig,
        state: &State,
        first: &Saved,
    ) -> Result<(RedbDisk, Autolock), StartError> {
        let unlock = state.cluster().and_then(autolock::of_cluster);
        let autolock = Autolock::create(config.key_file(), unlock)?;
        let disk = RedbDisk::create(&config.raft_file(), first, autolock.keyring())?;
        Ok((disk, autolock))
    }
}
