//! What the machine must offer: privileges, a kernel that is new enough, a BPF filesystem, a cgroup2 tree.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MsFlags, mount},
    sys::{statfs::statfs, utsname::uname},
};

use super::DatapathError;

/// `BPF_FS_MAGIC` of linux/magic.h.
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
/// Where the BPF filesystem usually is.
const BPFFS: &str = "/sys/fs/bpf";
/// The oldest kernel that the datapath is tested on.
const OLDEST_KERNEL: (u32, u32) = (6, 1);
/// Capabilities that are needed, each with the bits (capabilities(7)) of which one is enough: `CAP_SYS_ADMIN` includes
/// `CAP_BPF`.
const CAPABILITIES: [(&str, &[u32]); 2] = [("CAP_NET_ADMIN", &[12]), ("CAP_BPF", &[39, 21])];

/// Checks privileges and kernel. No memory limit needs raising: since 5.11 BPF memory counts for the cgroup.
pub(super) fn check() -> Result<(), DatapathError> {
    check_kernel(
        &uname()
            .map(|u| u.release().to_string_lossy().into_owned())
            .unwrap_or_default(),
    )?;
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    check_capabilities(&status)
}

fn check_kernel(release: &str) -> Result<(), DatapathError> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST_KERNEL {
        return Err(DatapathError::Kernel(release.to_owned()));
    }
    Ok(())
}

fn check_capabilities(status: &str) -> Result<(), DatapathError> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = line
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let missing: Vec<&str> = CAPABILITIES
        .into_iter()
        .filter(|(_, bits)| !bits.iter().any(|bit| held & (1 << bit) != 0))
        .map(|(name, _)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(DatapathError::Privileges {
        missing: missing.join(" and "),
    })
}

/// Makes `dir` with its parents on a BPF filesystem, which is mounted first if the usual place has none.
pub(super) fn prepare_bpffs(dir: &Path) -> Result<(), DatapathError> {
    let refuse = |reason: String| DatapathError::NoBpffs {
        path: dir.to_owned(),
        reason,
    };
    if dir.starts_with(BPFFS) && !is_bpffs(Path::new(BPFFS)) {
        mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>)
            .map_err(|error| refuse(format!("mounting it: {error}")))?;
    }
    fs::create_dir_all(dir).map_err(|error| refuse(error.to_string()))?;
    if is_bpffs(dir) {
        Ok(())
    } else {
        Err(refuse("another filesystem".to_owned()))
    }
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| stat.filesystem_type().0 == BPF_FS_MAGIC)
}

/// The root of the cgroup2 tree, from the mount table.
pub fn cgroup2_mount() -> io::Result<Option<PathBuf>> {
    Ok(cgroup2_in(&fs::read_to_string("/proc/mounts")?))
}

fn cgroup2_in(mounts: &str) -> Option<PathBuf> {
    let mut rows = mounts.lines().map(|row| row.split(' ').collect::<Vec<_>>());
    rows.find(|row| row.get(2) == Some(&"cgroup2"))
        .map(|row| PathBuf::from(row[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_before_6_1_are_refused() {
        for release in ["5.15.0-91-generic", "6.0.19", "4.19", "", "x"] {
            let error = check_kernel(release).unwrap_err();
            assert!(error.to_string().contains("6.1"), "{error}");
        }
        for release in ["6.1.0-26-cloud-amd64", "6.18.44", "7.0"] {
            check_kernel(release).unwrap();
        }
    }

    #[test]
    fn missing_capabilities_are_named() {
        let error = check_capabilities("CapEff:\t0000000000000000\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("CAP_NET_ADMIN and CAP_BPF") && error.contains("root"),
            "{error}"
        );
        check_capabilities("CapEff:\t000001ffffffffff\n").unwrap();
        check_capabilities("CapEff:\t0000000000201000\n").unwrap();
    }

    #[test]
    fn the_cgroup2_tree_is_found_beside_older_ones() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(cgroup2_in(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(cgroup2_in(""), None);
    }
}
