//! The cluster's root certificate, and what the nodes have of it.

use std::sync::Arc;

use model::{NodeId, NodeTrust, RootRotation};

use crate::{Event, Kind, Refused, State};

impl State {
    pub(super) fn start_root_rotation(
        &mut self,
        index: u64,
        version: u64,
        rotation: RootRotation,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.cluster_at(version)?.version = index;
        self.tables.rotation = Some(Arc::new(rotation));
        events.push(Event::Cluster);
        Ok(())
    }

    /// The new root, its key and its tokens become the cluster's. The old tokens, those with limits too, pin a root that
    /// nobody shows any more.
    pub(super) fn finish_root_rotation(
        &mut self,
        index: u64,
        digest: &str,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let rotation = self.root_rotation().filter(|rotation| rotation.digest == digest);
        let rotation = rotation.ok_or_else(|| Refused::NoRotation(digest.to_owned()))?;
        let waiting = self
            .nodes()
            .find(|node| !rotation.has_reached(self.node_trust(node.id)));
        if let Some(node) = waiting {
            return Err(Refused::RotationUnfinished(node.hostname()));
        }
        let (root_ca, next) = (rotation.root_ca.clone(), rotation.next.clone());
        let cluster = Arc::make_mut(self.tables.cluster.as_mut().ok_or(Refused::NoCluster)?);
        cluster.root_ca = root_ca;
        cluster.secrets.worker_token = next.worker_token;
        cluster.secrets.manager_token = next.manager_token;
        cluster.secrets.root_ca_key = next.root_ca_key;
        cluster.version = index;
        self.tables.rotation = None;
        self.drop_tokens(None);
        events.push(Event::Cluster);
        Ok(())
    }

    pub(super) fn set_node_trust(
        &mut self,
        id: NodeId,
        trust: NodeTrust,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        if self.node(id).is_none() {
            let (kind, what) = (Kind::Node, id.to_string());
            return Err(Refused::NotFound { kind, what });
        }
        if self.node_trust(id) != Some(&trust) {
            self.tables.trust.insert(id, Arc::new(trust));
            events.push(Event::Node(id));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::{Cluster, ClusterId, ClusterSecrets, ClusterSettings, Role, RootSecrets};

    use super::*;
    use crate::{Command, fixture::*};

    fn secrets(of: &str) -> RootSecrets {
        RootSecrets {
            worker_token: format!("{of} worker"),
            manager_token: format!("{of} manager"),
            root_ca_key: format!("{of} key"),
        }
    }

    fn founded() -> State {
        let mut state = State::default();
        let cluster = Cluster {
            id: ClusterId::from_bits(5),
            version: 0,
            created_at: AT,
            settings: ClusterSettings::default(),
            root_ca: "old".into(),
            secrets: ClusterSecrets {
                worker_token: "old worker".into(),
                manager_token: "old manager".into(),
                root_ca_key: "old key".into(),
                unlock_key: "unlock".into(),
            },
        };
        apply(&mut state, Command::InitCluster(Box::new(cluster))).unwrap();
        for id in [1, 2] {
            let join = Command::join(NodeId::from_bits(id), AT, Role::Worker, [10, 0, 0, 1].into());
            apply(&mut state, join).unwrap();
        }
        state
    }

    fn start(state: &State) -> Command {
        Command::StartRootRotation {
            version: state.cluster().unwrap().version,
            rotation: Box::new(RootRotation {
                root_ca: "new".into(),
                digest: "d".into(),
                cross_signed: "x".into(),
                next: secrets("new"),
            }),
        }
    }

    fn reached(id: u128) -> Command {
        let trust = NodeTrust {
            issuer: "d".into(),
            roots: vec!["o".into(), "d".into()],
        };
        Command::NodeTrust {
            id: NodeId::from_bits(id),
            trust: Box::new(trust),
        }
    }

    fn finish() -> Command {
        Command::FinishRootRotation { digest: "d".into() }
    }

    #[test]
    fn the_new_root_takes_over_when_it_has_reached_every_node() {
        let mut state = founded();
        assert!(matches!(apply(&mut state, finish()), Err(Refused::NoRotation(_))));
        let command = start(&state);
        apply(&mut state, command.clone()).unwrap();
        assert!(matches!(apply(&mut state, command), Err(Refused::OutOfSequence { .. })));
        apply(&mut state, reached(1)).unwrap();
        assert!(matches!(
            apply(&mut state, finish()),
            Err(Refused::RotationUnfinished(_))
        ));
        assert_eq!(state.cluster().unwrap().root_ca, "old");
        apply(&mut state, reached(2)).unwrap();
        apply(&mut state, finish()).unwrap();
        let cluster = state.cluster().unwrap();
        let secrets = &cluster.secrets;
        assert_eq!(
            (cluster.root_ca.as_str(), secrets.root_ca_key.as_str()),
            ("new", "new key")
        );
        assert_eq!(secrets.worker_token, "new worker");
        assert_eq!(secrets.unlock_key, "unlock", "nobody else's secret is touched");
        assert_eq!(state.root_rotation(), None);
    }

    #[test]
    fn a_node_that_is_removed_is_not_waited_for() {
        let mut state = founded();
        let command = start(&state);
        apply(&mut state, command).unwrap();
        apply(&mut state, reached(1)).unwrap();
        let remove = Command::RemoveNode {
            id: NodeId::from_bits(2),
            at: AT,
            force: true,
        };
        apply(&mut state, remove).unwrap();
        apply(&mut state, finish()).unwrap();
        assert_eq!(state.node_trust(NodeId::from_bits(2)), None);
        assert!(
            apply(&mut state, reached(2)).is_err(),
            "it is not part of the cluster any more"
        );
    }
}
