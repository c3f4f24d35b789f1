//! The kernel's version, and what it lets this process do.

use super::Unfit;

const NEEDED: (u32, u32) = (6, 1);

/// Bits of `CapEff` in `/proc/self/status`, from `linux/capability.h`.
const CAPABILITIES: [(u32, &str); 4] = [
    (12, "CAP_NET_ADMIN"),
    (21, "CAP_SYS_ADMIN"),
    (38, "CAP_PERFMON"),
    (39, "CAP_BPF"),
];

/// The running kernel's release, `6.1.0-25-amd64`.
pub fn release() -> String {
    let uname = nix::sys::utsname::uname();
    uname.map_or_else(
        |_| "unknown".into(),
        |name| name.release().to_string_lossy().into_owned(),
    )
}

/// The kernel must be new enough.
pub fn version(release: &str) -> Result<(), Unfit> {
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= NEEDED => Ok(()),
        _ => Err(Unfit::Kernel(release.to_owned())),
    }
}

/// This process must have the capabilities that programs, maps, links and namespaces need.
pub fn capabilities() -> Result<(), Unfit> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    missing(&status).map_or(Ok(()), |names| Err(Unfit::Capabilities(names)))
}

fn missing(status: &str) -> Option<Vec<&'static str>> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())?;
    let absent = CAPABILITIES.iter().filter(|(bit, _)| mask >> bit & 1 == 0);
    let names: Vec<_> = absent.map(|(_, name)| *name).collect();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_from_6_1_will_do() {
        for good in ["6.1.0-25-amd64", "6.18.3", "7.0-rc1"] {
            assert_eq!(version(good), Ok(()), "{good}");
        }
        for bad in ["5.15.0", "6.0.19", "4.19", "odd", ""] {
            assert_eq!(version(bad), Err(Unfit::Kernel(bad.to_owned())));
        }
    }

    #[test]
    fn missing_capabilities_are_named() {
        assert_eq!(missing("CapEff:\t000001ffffffffff\n"), None);
        let without_bpf = missing("Name:\tx\nCapEff:\t0000007fffffffff\n").unwrap();
        assert_eq!(without_bpf, ["CAP_BPF"]);
    }
}
