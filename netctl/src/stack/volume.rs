//! Mounts of Compose files.

use model::{Driver, Mount, MountKind};

use super::{
    NAMESPACE,
    file::{ComposeFile, LongMount, MountFile, VolumeFile},
};
use crate::{
    failure::Failure,
    request::{bytes, mount},
};

/// A mount of a service in stack `stack`.
pub fn convert(file: &ComposeFile, stack: &str, entry: &MountFile) -> Result<Mount, Failure> {
    match entry {
        MountFile::Short(text) => short(file, stack, text),
        MountFile::Long(long) => self::long(file, stack, long),
    }
}

/// `[SOURCE:]TARGET[:ro|rw|PROPAGATION|nocopy,...]`; a source with a slash is a path of the host.
fn short(file: &ComposeFile, stack: &str, text: &str) -> Result<Mount, Failure> {
    let invalid = |reason: &str| Failure::Wrong(format!("invalid volume specification \"{text}\": {reason}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(invalid("use [SOURCE:]TARGET[:OPTIONS]")),
    };
    if source.starts_with('.') || source.starts_with('~') {
        return Err(invalid(
            "nodes do not have the folder of the Compose file: use an absolute path",
        ));
    }
    let kind = if source.starts_with('/') { "bind" } else { "volume" };
    let mut flags = format!("type={kind},source={source},target={target}");
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => flags.push_str(",readonly"),
            "rw" => {}
            "nocopy" => flags.push_str(",volume-nocopy"),
            word => flags.push_str(&format!(",bind-propagation={word}")),
        }
    }
    let mount = mount(&flags).map_err(|_| invalid("unknown option"))?;
    named(file, stack, mount)
}

fn long(file: &ComposeFile, stack: &str, long: &LongMount) -> Result<Mount, Failure> {
    let mut flags = format!("type={},source={},target={}", long.r#type, long.source, long.target);
    if let Some(word) = long.bind.as_ref().and_then(|bind| bind.propagation.as_ref()) {
        flags.push_str(&format!(",bind-propagation={word}"));
    }
    if long.bind.as_ref().is_some_and(|bind| bind.create_host_path) {
        flags.push_str(",bind-create-src");
    }
    let mut mount = mount(&flags)?;
    mount.read_only = long.read_only;
    match (&mut mount.kind, &long.volume, &long.tmpfs) {
        (MountKind::Volume { no_copy, subpath, .. }, Some(options), _) => {
            *no_copy = options.nocopy;
            subpath.clone_from(&options.subpath);
        }
        (MountKind::Tmpfs { size_bytes, mode }, _, Some(tmpfs)) => {
            *mode = tmpfs.mode;
            if !tmpfs.size.0.is_empty() {
                *size_bytes = bytes("tmpfs size", &tmpfs.size.0)?;
            }
        }
        _ => {}
    }
    named(file, stack, mount)
}

/// Volumes of the file get the stack's name in front, its labels and their driver.
fn named(file: &ComposeFile, stack: &str, mut mount: Mount) -> Result<Mount, Failure> {
    let MountKind::Volume { labels, driver, .. } = &mut mount.kind else {
        return Ok(mount);
    };
    if mount.source.is_empty() {
        return Ok(mount);
    }
    let declared = file.volumes.get(&mount.source).ok_or_else(|| {
        Failure::Wrong(format!(
            "undefined volume \"{}\": name it under \"volumes:\"",
            mount.source
        ))
    })?;
    let default = VolumeFile::default();
    let volume = declared.as_ref().unwrap_or(&default);
    let given = volume.name.as_ref();
    mount.source = volume.external.full_name(given, stack, &mount.source)?;
    if !volume.external.is_external() {
        labels.extend(volume.labels.map());
        labels.insert(NAMESPACE.to_owned(), stack.to_owned());
        let options = volume.driver_opts.map();
        if volume.driver.is_some() || !options.is_empty() {
            *driver = Some(Driver {
                name: volume.driver.clone().unwrap_or_default(),
                options,
            });
        }
    }
    Ok(mount)
}
