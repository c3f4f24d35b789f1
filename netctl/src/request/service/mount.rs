//! `--mount type=...,source=...,target=...`.

use model::{Driver, Mount, MountKind, Propagation};

use super::number::bytes;
use crate::failure::Failure;

/// Reads docker's form of a mount.
///
/// # Errors
/// A key that is unknown, does not fit the type, or is one of another system; names it.
pub fn mount(text: &str) -> Result<Mount, Failure> {
    let pairs = pairs(text);
    let word = pairs
        .iter()
        .find(|(key, _)| *key == "type")
        .map_or("volume", |(_, value)| *value);
    let mut mount = Mount {
        kind: kind(word, text)?,
        source: String::new(),
        target: String::new(),
        read_only: false,
    };
    for (key, value) in pairs.into_iter().filter(|(key, _)| *key != "type") {
        match key {
            "source" | "src" => mount.source = value.to_owned(),
            "target" | "dst" | "destination" => mount.target = value.to_owned(),
            "readonly" | "ro" => mount.read_only = flag(key, value, text)?,
            _ => option(&mut mount.kind, key, value, text)?,
        }
    }
    Ok(mount)
}

fn wrong(text: &str, reason: &str) -> Failure {
    Failure::Wrong(format!("invalid argument \"{text}\" for \"--mount\" flag: {reason}"))
}

/// Parts at commas outside of quotes, as CSV has them; a key alone has an empty value.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let mut quoted = false;
    let parts = text.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    let plain = parts.map(|part| part.strip_prefix('"').and_then(|p| p.strip_suffix('"')).unwrap_or(part));
    plain.map(|part| part.split_once('=').unwrap_or((part, ""))).collect()
}

fn kind(word: &str, text: &str) -> Result<MountKind, Failure> {
    Ok(match word {
        "bind" => MountKind::Bind {
            propagation: None,
            non_recursive: false,
            create_host_path: false,
        },
        "volume" => MountKind::Volume {
            no_copy: false,
            labels: [].into(),
            driver: None,
            subpath: String::new(),
        },
        "tmpfs" => MountKind::Tmpfs { size_bytes: 0, mode: 0 },
        "image" => MountKind::Image { subpath: String::new() },
        "npipe" => {
            return Err(wrong(
                text,
                "npipe is for Windows containers, which netctl does not run",
            ));
        }
        "cluster" => {
            return Err(wrong(
                text,
                "cluster volumes (CSI) are not part of netctl; use a volume with a driver",
            ));
        }
        other => {
            return Err(wrong(
                text,
                &format!("unknown type {other}: use bind, volume, tmpfs or image"),
            ));
        }
    })
}

fn flag(key: &str, value: &str, text: &str) -> Result<bool, Failure> {
    match value {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(wrong(text, &format!("invalid value for {key}: {value}"))),
    }
}

/// A key that belongs to one type.
fn option(kind: &mut MountKind, key: &str, value: &str, text: &str) -> Result<(), Failure> {
    match (kind, key) {
        (MountKind::Bind { propagation, .. }, "bind-propagation") => {
            *propagation = Some(self::propagation(value).ok_or_else(|| wrong(text, "unknown bind-propagation"))?);
        }
        (MountKind::Bind { non_recursive, .. }, "bind-nonrecursive") => *non_recursive = flag(key, value, text)?,
        (MountKind::Bind { non_recursive, .. }, "bind-recursive") => match value {
            "enabled" => *non_recursive = false,
            "disabled" => *non_recursive = true,
            _ => {
                return Err(wrong(
                    text,
                    "bind-recursive is enabled or disabled; others need a newer engine",
                ));
            }
        },
        (MountKind::Bind { create_host_path, .. }, "bind-create-src") => *create_host_path = flag(key, value, text)?,
        (MountKind::Volume { no_copy, .. }, "volume-nocopy") => *no_copy = flag(key, value, text)?,
        (MountKind::Volume { labels, .. }, "volume-label") => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            labels.insert(name.to_owned(), value.to_owned());
        }
        (MountKind::Volume { driver, .. }, "volume-driver") => driver_of(driver).name = value.to_owned(),
        (MountKind::Volume { driver, .. }, "volume-opt") => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            driver_of(driver).options.insert(name.to_owned(), value.to_owned());
        }
        (MountKind::Volume { subpath, .. }, "volume-subpath") | (MountKind::Image { subpath }, "image-subpath") => {
            value.clone_into(subpath);
        }
        (MountKind::Tmpfs { size_bytes, .. }, "tmpfs-size") => *size_bytes = bytes("--mount tmpfs-size", value)?,
        (MountKind::Tmpfs { mode, .. }, "tmpfs-mode") => {
            *mode = u32::from_str_radix(value, 8).map_err(|_| wrong(text, "tmpfs-mode is octal, like 1777"))?;
        }
        _ => return Err(wrong(text, &format!("unexpected key '{key}' for this type of mount"))),
    }
    Ok(())
}

fn driver_of(driver: &mut Option<Driver>) -> &mut Driver {
    driver.get_or_insert_default()
}

fn propagation(word: &str) -> Option<Propagation> {
    Some(match word {
        "private" => Propagation::Private,
        "rprivate" => Propagation::Rprivate,
        "shared" => Propagation::Shared,
        "rshared" => Propagation::Rshared,
        "slave" => Propagation::Slave,
        "rslave" => Propagation::Rslave,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_own_keys() {
        let bind = mount("type=bind,source=/srv,target=/data,readonly,bind-propagation=rshared").unwrap();
        assert!(
            bind.read_only
                && matches!(
                    bind.kind,
                    MountKind::Bind {
                        propagation: Some(Propagation::Rshared),
                        ..
                    }
                )
        );
        let volume =
            mount("src=data,dst=/data,volume-nocopy=true,\"volume-opt=o=addr=1,rw\",volume-label=a=b").unwrap();
        let MountKind::Volume {
            no_copy,
            labels,
            driver,
            ..
        } = volume.kind
        else {
            panic!("volume is the default type")
        };
        assert_eq!((no_copy, labels["a"].as_str()), (true, "b"));
        assert_eq!(driver.unwrap().options["o"], "addr=1,rw");
        let tmpfs = mount("type=tmpfs,target=/tmp,tmpfs-size=64m,tmpfs-mode=700").unwrap();
        assert_eq!(
            tmpfs.kind,
            MountKind::Tmpfs {
                size_bytes: 64 << 20,
                mode: 0o700
            }
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, word) in [
            ("type=bind,tmpfs-size=1m", "tmpfs-size"),
            ("type=odd", "odd"),
            ("type=npipe", "Windows"),
            ("colour=red", "colour"),
            ("target=/x,ro=maybe", "maybe"),
        ] {
            assert!(mount(text).unwrap_err().to_string().contains(word), "{text}");
        }
    }
}
