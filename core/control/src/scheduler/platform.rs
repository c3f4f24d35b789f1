//! Which machines an image is for.

use model::{Node, Platform};

/// Whether a node is one of `platforms`, if any are given. An empty word fits all.
pub(crate) fn fits_platform(platforms: &[Platform], node: &Node) -> bool {
    let Some(machine) = &node.description else {
        return platforms.is_empty();
    };
    let fits = |wish: &Platform| {
        let os = wish.os.is_empty() || wish.os.eq_ignore_ascii_case(&machine.os);
        os && (wish.arch.is_empty() || common_name(&wish.arch) == common_name(&machine.arch))
    };
    platforms.is_empty() || platforms.iter().any(fits)
}

/// Images and kernels call the same processors differently.
fn common_name(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::node;

    #[test]
    fn processors_are_known_by_either_name() {
        let node = node(1, "n1");
        let platform = |os: &str, arch: &str| Platform {
            os: os.to_owned(),
            arch: arch.to_owned(),
        };
        assert!(fits_platform(&[], &node));
        for (os, arch, fits) in [
            ("linux", "amd64", true),
            ("linux", "x86_64", true),
            ("", "amd64", true),
            ("linux", "", true),
            ("linux", "arm64", false),
            ("windows", "amd64", false),
        ] {
            assert_eq!(fits_platform(&[platform(os, arch)], &node), fits, "{os}/{arch}");
        }
        assert!(fits_platform(&[platform("windows", ""), platform("linux", "")], &node));
    }
}
