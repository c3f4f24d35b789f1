//! Several Compose files as one. As docker does it: a later file's value takes the place of an earlier one's, maps are
//! merged key by key, lists are put together, and a truth value can be set but not taken back.

use std::collections::BTreeMap;

use super::{
    file::{
        AttachmentFile, ComposeFile, DeployFile, FileRef, HealthFile, LimitsFile, LoggingFile, MountFile,
        PlacementFile, PolicyFile, ReservationsFile, ResourcesFile, RestartFile, ServiceFile, ServiceNetworks,
    },
    scalar::{Hosts, Pairs, Scalar, Several, Words},
};

/// What a later file may say again.
pub trait Merge {
    /// Takes over what the later file says.
    fn merge(&mut self, later: Self);
}

/// Values that the later one takes the place of.
macro_rules! replaced {
    ($($name:ty),*) => {
        $(impl Merge for $name {
            fn merge(&mut self, later: Self) {
                *self = later;
            }
        })*
    };
}

replaced!(bool, u32, i64, f64, String, Scalar, Words);

/// Merges these fields.
macro_rules! fields {
    ($self:ident, $later:ident: $($field:ident),*) => {
        $($self.$field.merge($later.$field);)*
    };
}

impl<T: Merge> Merge for Option<T> {
    fn merge(&mut self, later: Self) {
        match (self, later) {
            (Some(earlier), Some(later)) => earlier.merge(later),
            (none, later @ Some(_)) => *none = later,
            (_, None) => {}
        }
    }
}

impl<T> Merge for Vec<T> {
    fn merge(&mut self, later: Self) {
        self.extend(later);
    }
}

impl Merge for Several {
    fn merge(&mut self, later: Self) {
        self.0.merge(later.0);
    }
}

impl Merge for Hosts {
    fn merge(&mut self, later: Self) {
        self.0.merge(later.0);
    }
}

impl Merge for Pairs {
    fn merge(&mut self, later: Self) {
        by_key(&mut self.0, later.0, |(name, _)| name.clone());
    }
}

/// Puts entries in the place of those with the same key, others behind them.
fn by_key<T>(entries: &mut Vec<T>, later: Vec<T>, key: impl Fn(&T) -> String) {
    entries.retain(|entry| !later.iter().any(|new| key(new) == key(entry)));
    entries.extend(later);
}

/// As [`by_key`]; a name that the later file says nothing about keeps what the earlier one says.
fn declared<T>(earlier: &mut BTreeMap<String, Option<T>>, later: BTreeMap<String, Option<T>>) {
    for (name, entry) in later {
        let known = earlier.entry(name).or_default();
        *known = entry.or(known.take());
    }
}

impl Merge for ComposeFile {
    fn merge(&mut self, later: Self) {
        for (name, service) in later.services {
            match self.services.get_mut(&name) {
                Some(earlier) => earlier.merge(service),
                None => drop(self.services.insert(name, service)),
            }
        }
        declared(&mut self.networks, later.networks);
        declared(&mut self.volumes, later.volumes);
        self.secrets.extend(later.secrets);
        self.configs.extend(later.configs);
        fields!(self, later: passed_over);
    }
}

impl Merge for ServiceFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: image, command, entrypoint, environment, env_file, labels, hostname, working_dir, user);
        fields!(self, later: init, stop_signal, stop_grace_period, cap_add, cap_drop, sysctls, dns, dns_search, dns_opt);
        fields!(self, later: extra_hosts, ports, networks, healthcheck, logging, deploy, passed_over);
        self.tty |= later.tty;
        self.stdin_open |= later.stdin_open;
        self.read_only |= later.read_only;
        self.ulimits.extend(later.ulimits);
        by_key(&mut self.volumes, later.volumes, MountFile::target);
        by_key(&mut self.secrets, later.secrets, FileRef::source);
        by_key(&mut self.configs, later.configs, FileRef::source);
    }
}

impl Merge for ServiceNetworks {
    fn merge(&mut self, later: Self) {
        let map = |networks: Self| match networks {
            Self::List(names) => names.into_iter().map(|name| (name, None)).collect(),
            Self::Map(map) => map,
        };
        let mut networks: BTreeMap<String, Option<AttachmentFile>> = map(std::mem::take(self));
        declared(&mut networks, map(later));
        *self = Self::Map(networks);
    }
}

impl Merge for HealthFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: test, interval, timeout, retries, start_period, start_interval);
        self.disable |= later.disable;
    }
}

/// Options of another driver mean nothing to this one.
impl Merge for LoggingFile {
    fn merge(&mut self, later: Self) {
        if later.driver.is_empty() || later.driver == self.driver {
            self.options.merge(later.options);
        } else {
            *self = later;
        }
    }
}

impl Merge for DeployFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: mode, replicas, labels, endpoint_mode, update_config, rollback_config, restart_policy);
        fields!(self, later: placement, resources);
    }
}

impl Merge for PolicyFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: parallelism, delay, failure_action, monitor, max_failure_ratio, order);
    }
}

impl Merge for RestartFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: condition, delay, max_attempts, window);
    }
}

impl Merge for PlacementFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: constraints, preferences);
        if later.max_replicas_per_node > 0 {
            self.max_replicas_per_node = later.max_replicas_per_node;
        }
    }
}

impl Merge for ResourcesFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: limits, reservations);
    }
}

impl Merge for LimitsFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: cpus, memory, pids);
    }
}

impl Merge for ReservationsFile {
    fn merge(&mut self, later: Self) {
        fields!(self, later: cpus, memory, generic_resources);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(earlier: &str, later: &str) -> ServiceFile {
        let read = |text: &str| serde_saphyr::from_str::<ServiceFile>(text).unwrap();
        let mut service = read(earlier);
        service.merge(read(later));
        service
    }

    #[test]
    fn what_a_later_file_says_goes_before() {
        let service = merged(
            "{image: w:1, command: a b, tty: true, init: true, user: 1, environment: {A: 1, B: 2}, cap_add: [X]}",
            "{image: w:2, command: [c], tty: false, init: false, environment: [B=3, C=4], cap_add: [Y]}",
        );
        assert_eq!(
            (service.image.as_deref(), service.tty, service.init),
            (Some("w:2"), true, Some(false))
        );
        assert_eq!(service.command, Some(Words::List(vec!["c".into()])));
        assert_eq!(service.environment.texts(), ["A=1", "B=3", "C=4"]);
        assert_eq!(
            (service.user.unwrap().0.as_str(), service.cap_add),
            ("1", vec!["X".into(), "Y".into()])
        );
    }

    #[test]
    fn entries_are_known_by_what_they_are_for() {
        let service = merged(
            "{volumes: ['a:/x', 'b:/y'], secrets: [key, {source: cert, target: c}], networks: [inner], ports: ['80']}",
            "{volumes: [{type: volume, source: c, target: /x}], secrets: [cert], networks: {outer: {aliases: [www]}}, ports: ['81']}",
        );
        let targets: Vec<_> = service.volumes.iter().map(MountFile::target).collect();
        assert_eq!(
            (targets, service.ports.len()),
            (vec!["/y".to_owned(), "/x".to_owned()], 2)
        );
        let sources: Vec<_> = service.secrets.iter().map(FileRef::source).collect();
        assert_eq!(sources, ["key", "cert"]);
        let ServiceNetworks::Map(networks) = service.networks else {
            panic!("a map")
        };
        assert!(networks["inner"].is_none() && networks["outer"].is_some());
    }

    #[test]
    fn deploy_is_merged_value_by_value_and_drivers_of_logs_keep_to_their_options() {
        let service = merged(
            "{deploy: {replicas: 2, resources: {limits: {cpus: 1, pids: 9}}}, logging: {driver: a, options: {one: 1}}}",
            "{deploy: {resources: {limits: {cpus: 2}}}, logging: {driver: b, options: {two: 2}}}",
        );
        let limits = &service.deploy.resources.limits;
        assert_eq!((service.deploy.replicas, limits.pids), (Some(2), Some(9)));
        assert_eq!(limits.cpus.as_ref().unwrap().0, "2");
        assert_eq!(service.logging.unwrap().options.texts(), ["two=2"]);
        let service = merged(
            "{logging: {driver: a, options: {one: 1}}}",
            "{logging: {options: {two: 2}}}",
        );
        assert_eq!(service.logging.unwrap().options.texts(), ["one=1", "two=2"]);
    }
}
