//! A container in the engine's words.

use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountImageOptions, MountTmpfsOptions, MountType, MountVolumeOptions,
    MountVolumeOptionsDriverConfig, ResourcesUlimits,
};
use model::{ContainerSpec, Driver, HealthCheck, HealthTest, MountKind, Propagation};
use plan::container::ContainerRequest;

pub(super) fn body(request: &ContainerRequest) -> ContainerCreateBody {
    let spec = &request.spec;
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: some(&spec.command),
        cmd: some(&spec.args),
        env: some(&spec.env),
        hostname: spec.hostname.clone(),
        working_dir: spec.dir.clone(),
        user: spec.user.clone(),
        tty: Some(spec.tty),
        open_stdin: Some(spec.open_stdin),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: spec
            .stop_grace
            .map(|grace| grace.as_secs().try_into().unwrap_or(i64::MAX)),
        healthcheck: spec.health.as_ref().map(health),
        labels: Some(request.labels.clone().into_iter().collect()),
        // Neither networks nor names are the engine's: see `crate::gate`.
        network_disabled: Some(true),
        host_config: Some(host(spec)),
        ..ContainerCreateBody::default()
    }
}

/// `None` is the image's or the engine's choice.
fn some<T: Clone>(words: &[T]) -> Option<Vec<T>> {
    (!words.is_empty()).then(|| words.to_vec())
}

fn positive(number: i64) -> Option<i64> {
    Some(number).filter(|number| *number > 0)
}

fn host(spec: &ContainerSpec) -> HostConfig {
    let limits = spec.resources.limits;
    HostConfig {
        network_mode: Some("none".to_owned()),
        group_add: some(&spec.groups),
        init: spec.init,
        readonly_rootfs: Some(spec.read_only),
        cap_add: some(&spec.cap_add),
        cap_drop: some(&spec.cap_drop),
        sysctls: Some(spec.sysctls.clone().into_iter().collect()),
        ulimits: some(&ulimits(spec)),
        oom_score_adj: Some(spec.oom_score_adj.into()),
        privileged: Some(spec.privileged),
        devices: some(&devices(spec)),
        mounts: some(&spec.mounts.iter().map(mount).collect::<Vec<_>>()),
        nano_cpus: positive(limits.nano_cpus),
        memory: positive(limits.memory_bytes),
        pids_limit: positive(limits.pids),
        memory_reservation: positive(spec.resources.reservations.memory_bytes),
        memory_swap: spec.resources.memory_swap,
        memory_swappiness: spec.resources.memory_swappiness.filter(|share| *share >= 0),
        log_config: spec.log_driver.as_ref().map(|driver| HostConfigLogConfig {
            typ: Some(driver.name.clone()),
            config: Some(driver.options.clone().into_iter().collect()),
        }),
        ..HostConfig::default()
    }
}

fn ulimits(spec: &ContainerSpec) -> Vec<ResourcesUlimits> {
    let ulimits = spec.ulimits.iter().map(|(name, limit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    });
    ulimits.collect()
}

fn devices(spec: &ContainerSpec) -> Vec<DeviceMapping> {
    let devices = spec.devices.iter().map(|device| DeviceMapping {
        path_on_host: Some(device.host.clone()),
        path_in_container: Some(device.container.clone()),
        cgroup_permissions: Some(match device.permissions.as_str() {
            "" => "rwm".to_owned(),
            permissions => permissions.to_owned(),
        }),
    });
    devices.collect()
}

fn health(check: &HealthCheck) -> HealthConfig {
    let nanos = |span: Option<Duration>| span.map(|span| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX));
    let test = match &check.test {
        HealthTest::Image => Vec::new(),
        HealthTest::None => vec!["NONE".to_owned()],
        HealthTest::Exec(words) => [vec!["CMD".to_owned()], words.clone()].concat(),
        HealthTest::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
    };
    HealthConfig {
        test: Some(test),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        retries: check.retries.map(i64::from),
        start_period: nanos(check.start_period),
        start_interval: nanos(check.start_interval),
    }
}

fn mount(mount: &model::Mount) -> Mount {
    let plain = Mount {
        target: Some(mount.target.clone()),
        source: Some(mount.source.clone()).filter(|source| !source.is_empty()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    };
    match &mount.kind {
        kind @ MountKind::Bind { .. } => Mount {
            typ: Some(MountType::BIND),
            bind_options: bind_options(kind),
            ..plain
        },
        kind @ MountKind::Volume { .. } => Mount {
            typ: Some(MountType::VOLUME),
            volume_options: volume_options(kind),
            ..plain
        },
        MountKind::Tmpfs { size_bytes, mode } => Mount {
            typ: Some(MountType::TMPFS),
            tmpfs_options: Some(MountTmpfsOptions {
                size_bytes: positive(*size_bytes),
                mode: positive(i64::from(*mode)),
                ..MountTmpfsOptions::default()
            }),
            ..plain
        },
        MountKind::Image { subpath } => Mount {
            typ: Some(MountType::IMAGE),
            image_options: Some(MountImageOptions { subpath: part(subpath) }),
            ..plain
        },
    }
}

/// A part of a volume or image; empty: all of it.
fn part(subpath: &str) -> Option<String> {
    Some(subpath.to_owned()).filter(|part| !part.is_empty())
}

fn bind_options(kind: &MountKind) -> Option<MountBindOptions> {
    let MountKind::Bind {
        propagation,
        non_recursive,
        create_host_path,
    } = kind
    else {
        return None;
    };
    Some(MountBindOptions {
        propagation: propagation.map(propagates),
        non_recursive: Some(*non_recursive),
        create_mountpoint: Some(*create_host_path),
        ..MountBindOptions::default()
    })
}

fn volume_options(kind: &MountKind) -> Option<MountVolumeOptions> {
    let MountKind::Volume {
        no_copy,
        labels,
        driver,
        subpath,
    } = kind
    else {
        return None;
    };
    Some(MountVolumeOptions {
        no_copy: Some(*no_copy),
        labels: Some(labels.clone().into_iter().collect()),
        driver_config: driver.as_ref().map(volume_driver),
        subpath: part(subpath),
    })
}

fn volume_driver(driver: &Driver) -> MountVolumeOptionsDriverConfig {
    MountVolumeOptionsDriverConfig {
        name: Some(driver.name.clone()),
        options: Some(driver.options.clone().into_iter().collect()),
    }
}

fn propagates(propagation: Propagation) -> MountBindOptionsPropagationEnum {
    match propagation {
        Propagation::Private => MountBindOptionsPropagationEnum::PRIVATE,
        Propagation::Rprivate => MountBindOptionsPropagationEnum::RPRIVATE,
        Propagation::Shared => MountBindOptionsPropagationEnum::SHARED,
        Propagation::Rshared => MountBindOptionsPropagationEnum::RSHARED,
        Propagation::Slave => MountBindOptionsPropagationEnum::SLAVE,
        Propagation::Rslave => MountBindOptionsPropagationEnum::RSLAVE,
    }
}

/// Why an engine of this API version (`MAJOR`, `MINOR`) cannot have the mounts of `spec`, if it cannot.
pub(super) fn unfit_mount(spec: &ContainerSpec, version: (usize, usize)) -> Option<String> {
    spec.mounts.iter().find_map(|mount| {
        let (what, since, engine) = match &mount.kind {
            MountKind::Image { .. } => ("images can be mounted", (1, 48), "28.0"),
            MountKind::Volume { subpath, .. } if !subpath.is_empty() => {
                ("parts of volumes can be mounted", (1, 45), "26.0")
            }
            _ => return None,
        };
        let target = &mount.target;
        let words = format!("mount at \"{target}\": {what} since Docker Engine {engine}, this node's is older");
        (version < since).then_some(words)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Device, Mount as Wanted, TaskId, Ulimit};

    use super::*;

    fn wanted(kind: MountKind) -> Wanted {
        Wanted {
            kind,
            source: "src".to_owned(),
            target: "/dst".to_owned(),
            read_only: true,
        }
    }

    fn request(spec: ContainerSpec) -> ContainerRequest {
        ContainerRequest {
            task: TaskId::from_bits(1),
            name: "web.1.x".to_owned(),
            labels: BTreeMap::new(),
            spec,
            files: Vec::new(),
            endpoints: Vec::new(),
        }
    }

    #[test]
    fn an_empty_spec_leaves_everything_to_image_and_engine() {
        let body = body(&request(ContainerSpec::of("nginx")));
        assert_eq!((body.cmd, body.entrypoint, body.healthcheck), (None, None, None));
        let host = body.host_config.unwrap();
        assert_eq!(
            (host.memory, host.nano_cpus, host.init, host.mounts),
            (None, None, None, None)
        );
        assert_eq!(
            (host.network_mode.as_deref(), body.network_disabled),
            (Some("none"), Some(true))
        );
    }

    #[test]
    fn what_the_spec_says_is_what_the_engine_is_told() {
        let mut spec = ContainerSpec::of("nginx");
        spec.stop_signal = Some("SIGQUIT".to_owned());
        spec.stop_grace = Some(Duration::from_secs(30));
        spec.resources.limits.memory_bytes = 64 << 20;
        spec.resources.limits.nano_cpus = 500_000_000;
        spec.ulimits = [("nofile".to_owned(), Ulimit { soft: 1, hard: 2 })].into();
        spec.devices = vec![Device {
            host: "/dev/fuse".to_owned(),
            container: "/dev/fuse".to_owned(),
            permissions: String::new(),
        }];
        spec.health = Some(HealthCheck {
            test: HealthTest::Shell("true".to_owned()),
            interval: Some(Duration::from_millis(5)),
            timeout: None,
            retries: Some(2),
            start_period: None,
            start_interval: None,
        });
        let body = body(&request(spec));
        assert_eq!(
            (body.stop_signal.as_deref(), body.stop_timeout),
            (Some("SIGQUIT"), Some(30))
        );
        let health = body.healthcheck.unwrap();
        assert_eq!(health.test.unwrap(), ["CMD-SHELL", "true"]);
        assert_eq!(
            (health.interval, health.retries, health.timeout),
            (Some(5_000_000), Some(2), None)
        );
        let host = body.host_config.unwrap();
        assert_eq!((host.memory, host.nano_cpus), (Some(64 << 20), Some(500_000_000)));
        assert_eq!(host.devices.unwrap()[0].cgroup_permissions.as_deref(), Some("rwm"));
        assert_eq!(host.ulimits.unwrap()[0].hard, Some(2));
    }

    #[test]
    fn mounts_that_an_older_engine_does_not_have_are_named() {
        let mut spec = ContainerSpec::of("nginx");
        spec.mounts = vec![wanted(MountKind::Image { subpath: String::new() })];
        assert_eq!(unfit_mount(&spec, (1, 48)), None);
        let words = unfit_mount(&spec, (1, 41)).unwrap();
        assert!(
            words.starts_with("mount at \"/dst\": images can be mounted since Docker Engine 28.0"),
            "{words}"
        );
        let bind = mount(&wanted(MountKind::Bind {
            propagation: Some(Propagation::Rslave),
            non_recursive: false,
            create_host_path: true,
        }));
        let options = bind.bind_options.unwrap();
        assert_eq!(options.propagation, Some(MountBindOptionsPropagationEnum::RSLAVE));
        assert_eq!((bind.read_only, options.create_mountpoint), (Some(true), Some(true)));
    }
}
