//! What is put into containers: mounts, devices, secrets and configs as files.

use model::{Device, Driver, Mount, MountKind, NameKind, PayloadRef, Propagation};

use crate::{
    WireError, pb,
    scalar::{choice, labels, name, optional, parse, to_labels},
};

impl From<Driver> for pb::Driver {
    fn from(driver: Driver) -> Self {
        Self {
            name: driver.name,
            options: to_labels(driver.options),
        }
    }
}

impl TryFrom<pb::Driver> for Driver {
    type Error = WireError;
    fn try_from(driver: pb::Driver) -> Result<Self, WireError> {
        Ok(Self {
            name: driver.name,
            options: labels("options", driver.options)?,
        })
    }
}

impl From<Device> for pb::Device {
    fn from(device: Device) -> Self {
        Self {
            host: device.host,
            container: device.container,
            permissions: device.permissions,
        }
    }
}

impl TryFrom<pb::Device> for Device {
    type Error = WireError;
    fn try_from(device: pb::Device) -> Result<Self, WireError> {
        Ok(Self {
            host: device.host,
            container: device.container,
            permissions: device.permissions,
        })
    }
}

impl From<MountKind> for pb::mount::Kind {
    fn from(kind: MountKind) -> Self {
        match kind {
            MountKind::Bind {
                propagation,
                non_recursive,
                create_host_path,
            } => Self::Bind(pb::BindMount {
                propagation: propagation.map_or(0, |p| pb::Propagation::from(p).into()),
                non_recursive,
                create_host_path,
            }),
            MountKind::Volume {
                no_copy,
                labels,
                driver,
                subpath,
            } => Self::Volume(pb::VolumeMount {
                no_copy,
                labels: to_labels(labels),
                driver: driver.map(Into::into),
                subpath,
            }),
            MountKind::Tmpfs { size_bytes, mode } => Self::Tmpfs(pb::TmpfsMount { size_bytes, mode }),
            MountKind::Image { subpath } => Self::Image(pb::ImageMount { subpath }),
        }
    }
}

impl TryFrom<pb::mount::Kind> for MountKind {
    type Error = WireError;
    fn try_from(kind: pb::mount::Kind) -> Result<Self, WireError> {
        use pb::mount::Kind as Wire;
        Ok(match kind {
            Wire::Bind(bind) => Self::Bind {
                propagation: propagation(bind.propagation)?,
                non_recursive: bind.non_recursive,
                create_host_path: bind.create_host_path,
            },
            Wire::Volume(volume) => Self::Volume {
                no_copy: volume.no_copy,
                labels: labels("labels", volume.labels)?,
                driver: optional("driver", volume.driver)?,
                subpath: volume.subpath,
            },
            Wire::Tmpfs(tmpfs) => Self::Tmpfs {
                size_bytes: tmpfs.size_bytes,
                mode: tmpfs.mode,
            },
            Wire::Image(image) => Self::Image { subpath: image.subpath },
        })
    }
}

fn propagation(number: i32) -> Result<Option<Propagation>, WireError> {
    let given = number != pb::Propagation::Unspecified as i32;
    given
        .then(|| choice::<pb::Propagation, _>("propagation", number))
        .transpose()
}

impl From<Mount> for pb::Mount {
    fn from(mount: Mount) -> Self {
        Self {
            source: mount.source,
            target: mount.target,
            read_only: mount.read_only,
            kind: Some(mount.kind.into()),
        }
    }
}

impl TryFrom<pb::Mount> for Mount {
    type Error = WireError;
    fn try_from(mount: pb::Mount) -> Result<Self, WireError> {
        let kind = mount.kind.ok_or_else(|| WireError::new("kind", "missing"))?;
        Ok(Self {
            kind: kind.try_into()?,
            source: mount.source,
            target: mount.target,
            read_only: mount.read_only,
        })
    }
}

impl From<PayloadRef> for pb::PayloadRef {
    fn from(file: PayloadRef) -> Self {
        Self {
            id: file.id.to_string(),
            name: file.name.into(),
            target: file.target,
            uid: file.uid,
            gid: file.gid,
            mode: file.mode,
        }
    }
}

impl TryFrom<pb::PayloadRef> for PayloadRef {
    type Error = WireError;
    fn try_from(file: pb::PayloadRef) -> Result<Self, WireError> {
        Ok(Self {
            id: parse("id", &file.id)?,
            name: name("name", NameKind::Other, &file.name)?,
            target: file.target,
            uid: file.uid,
            gid: file.gid,
            mode: file.mode,
        })
    }
}
