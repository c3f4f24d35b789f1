//! The cluster's own settings.

use std::sync::Arc;

use model::{Cluster, ClusterSettings, Role};

use crate::{Event, Kind, Refused, State};

impl State {
    pub(super) fn init_cluster(
        &mut self,
        index: u64,
        mut cluster: Cluster,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        if self.tables.cluster.is_some() {
            return Err(Refused::ClusterExists);
        }
        cluster.version = index;
        self.tables.cluster = Some(Arc::new(cluster));
        events.push(Event::Cluster);
        Ok(())
    }

    pub(super) fn cluster_at(&mut self, version: u64) -> Result<&mut Cluster, Refused> {
        let cluster = Arc::make_mut(self.tables.cluster.as_mut().ok_or(Refused::NoCluster)?);
        #[cfg(feature = "planted")]
        let version = planted::instead(planted::Bug::LostUpdate, version, || Some(cluster.version));
        if cluster.version != version {
            return Err(Refused::OutOfSequence {
                kind: Kind::Cluster,
                name: cluster.id.to_string(),
                read: version,
                now: cluster.version,
            });
        }
        Ok(cluster)
    }

    /// A role's limited tokens go with its token: whoever rotates it wants nobody in who knows an old one.
    pub(super) fn update_tokens(
        &mut self,
        index: u64,
        version: u64,
        worker: String,
        manager: String,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let cluster = self.cluster_at(version)?;
        let secrets = &mut cluster.secrets;
        let rotated = [
            (Role::Worker, secrets.worker_token != worker),
            (Role::Manager, secrets.manager_token != manager),
        ];
        secrets.worker_token = worker;
        secrets.manager_token = manager;
        cluster.version = index;
        for (role, _) in rotated.into_iter().filter(|(_, rotated)| *rotated) {
            self.drop_tokens(Some(role));
        }
        events.push(Event::Cluster);
        Ok(())
    }

    pub(super) fn set_unlock_key(
        &mut self,
        index: u64,
        unlock_key: String,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let cluster = Arc::make_mut(self.tables.cluster.as_mut().ok_or(Refused::NoCluster)?);
        match (cluster.settings.autolock, unlock_key.is_empty()) {
            (false, false) => {
                let words = "cannot rotate because autolock is not turned on";
                return Err(Refused::Invalid(words.to_owned()));
            }
            (true, true) => {
                let words = "managers need an unlock key while autolock is on";
                return Err(Refused::Invalid(words.to_owned()));
            }
            _ => {}
        }
        cluster.secrets.unlock_key = unlock_key;
        cluster.version = index;
        events.push(Event::Cluster);
        Ok(())
    }

    pub(super) fn update_settings(
        &mut self,
        index: u64,
        version: u64,
        settings: ClusterSettings,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let cluster = self.cluster_at(version)?;
        cluster.settings = settings;
        cluster.version = index;
        events.push(Event::Cluster);
        Ok(())
    }
}
