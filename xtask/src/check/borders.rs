//! Who may depend on whom, read from `cargo metadata`.
//!
//! The table is the law: an edge that is not in it is an error, an edge in it
//! need not exist. Tests may use what they test.

use crate::process::{command, output};
use crate::repo;
use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Our crates and those of ours that they may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("store", &["model"]),
    ("control", &["model", "store"]),
    ("plan", &["model", "abi"]),
    ("lines", &["model"]),
    ("wire", &["model"]),
    ("abi", &[]),
    ("decide", &["abi"]),
    ("progs", &["abi", "decide"]),
    ("faults", &[]),
    ("peer", &["model"]),
    ("seal", &[]),
    (
        "manager",
        &["model", "store", "control", "lines", "wire", "peer", "seal"],
    ),
    ("agent", &["model", "plan", "lines", "abi", "wire", "peer", "seal"]),
    ("netd", &["agent", "manager", "wire", "model", "seal"]),
    ("netctl", &["model", "wire"]),
    ("xtask", &[]),
];

/// Crates below `core/` and `ebpf/` that must not reach the outside.
const PURE: &[&str] = &["model", "store", "control", "plan", "lines", "abi", "decide"];

/// Crates of others that only edges may use.
const EDGE_ONLY: &[&str] = &[
    "tokio",
    "aya",
    "bollard",
    "rtnetlink",
    "hickory-server",
    "nix",
    "libc",
    "rand",
    "getrandom",
    "redb",
    "raft",
    "tonic",
    "hyper",
    "axum",
    "tracing",
    "chrono",
    "socket2",
];

/// Checks every manifest.
///
/// # Errors
/// Lists the forbidden edges.
pub fn check() -> Result<()> {
    let mut forbidden = Vec::new();
    for manifest in ["Cargo.toml", "ebpf/progs/Cargo.toml", "ebpf/faults/Cargo.toml"] {
        for package in packages(manifest)? {
            forbidden.extend(forbidden_edges(&package));
        }
    }
    if forbidden.is_empty() {
        return Ok(());
    }
    bail!(
        "these dependencies are not allowed (xtask/src/check/borders.rs):\n  {}",
        forbidden.join("\n  ")
    )
}

pub(super) fn packages(manifest: &str) -> Result<Vec<Value>> {
    let path = repo::root().join(manifest);
    let mut cargo = command(
        "cargo",
        &["metadata", "--format-version", "1", "--no-deps", "--manifest-path"],
    );
    let mut metadata: Value = serde_json::from_str(&output(cargo.arg(path))?)?;
    let packages = metadata.get_mut("packages").map(Value::take);
    serde_json::from_value(packages.context("cargo metadata lists no packages")?).context("cargo metadata")
}

fn forbidden_edges(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name) else {
        return Vec::new();
    };
    let dependencies = package["dependencies"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
    normal
        .filter(|dependency| {
            let used = dependency["name"].as_str().unwrap_or_default();
            let ours = !dependency["path"].is_null();
            (ours && !allowed.contains(&used) && used != "planted")
                || (PURE.contains(&name) && EDGE_ONLY.contains(&used) && !optional(dependency))
        })
        .map(|dependency| format!("{name} -> {}", dependency["name"].as_str().unwrap_or_default()))
        .collect()
}

/// An optional dependency is the other side's: `abi` gives user space aya's
/// marker trait under a feature.
fn optional(dependency: &Value) -> bool {
    dependency["optional"].as_bool().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_edge_that_is_not_in_the_table_is_named() {
        let package = json!({ "name": "agent", "dependencies": [
            { "name": "plan", "path": "/x", "kind": null },
            { "name": "store", "path": "/x", "kind": null },
            { "name": "store", "path": "/x", "kind": "dev" },
            { "name": "tokio", "kind": null },
        ]});
        assert_eq!(forbidden_edges(&package), ["agent -> store"]);
    }

    #[test]
    fn a_pure_crate_may_not_use_a_runtime() {
        let package = json!({ "name": "store", "dependencies": [{ "name": "tokio", "kind": null }]});
        assert_eq!(forbidden_edges(&package), ["store -> tokio"]);
    }

    #[test]
    fn this_repository_keeps_its_borders() -> Result<()> {
        check()
    }
}
