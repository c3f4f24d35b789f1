//! Planted bugs (`tests/planted`) stay in the tests: every crate depends on the
//! switchboard optionally, no default feature and no dependency turns it on.

use super::borders::packages;
use anyhow::{Result, bail};
use serde_json::Value;

const PLANTED: &str = "planted";

/// Checks every manifest.
///
/// # Errors
/// Lists what would get planted bugs into an ordinary build.
pub fn check() -> Result<()> {
    let found: Vec<String> = packages("Cargo.toml")?.iter().flat_map(ways_in).collect();
    if found.is_empty() {
        return Ok(());
    }
    bail!("planted bugs must not get into builds:\n  {}", found.join("\n  "))
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn ways_in(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let mut found = Vec::new();
    if words(&package["features"]["default"]).any(|feature| feature.contains(PLANTED)) {
        found.push(format!("{name} has it by default"));
    }
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let used = dependency["name"].as_str().unwrap_or_default();
        if used == PLANTED && dependency["optional"] != true {
            found.push(format!("{name} depends on it always"));
        }
        if words(&dependency["features"]).any(|feature| feature == PLANTED) {
            found.push(format!("{name} turns it on in {used}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_in_is_found() {
        let package = json!({ "name": "store", "features": { "default": ["planted"] }, "dependencies": [
            { "name": "planted", "optional": false, "features": [] },
            { "name": "model", "optional": false, "features": ["planted"] },
        ]});
        assert_eq!(ways_in(&package).len(), 3);
        let package = json!({ "name": "store", "features": { "planted": ["dep:planted"] }, "dependencies": [
            { "name": "planted", "optional": true, "features": [] },
        ]});
        assert!(ways_in(&package).is_empty());
    }

    #[test]
    fn this_repository_plants_in_tests_only() -> Result<()> {
        check()
    }
}
