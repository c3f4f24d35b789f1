//! `--cap-add` and `--cap-drop`: what they make of the capabilities that a service has.

use std::collections::BTreeSet;

use model::ContainerSpec;

/// Stands for all of them, and hence alone.
const ALL: &str = "ALL";
/// Empties the list that there is, before what is given with it counts.
const RESET: &str = "RESET";

/// Adds and drops capabilities as docker does. What the container drops is taken from that list when it is added, and
/// added by the next change; what it adds goes the same way back. If one change has both, adding counts. The lists are
/// sorted, so that saying something again replaces no tasks.
pub fn change_capabilities(container: &mut ContainerSpec, add: &[String], drop: &[String]) {
    if add.is_empty() && drop.is_empty() {
        return;
    }
    let (add, drop) = (named(add), named(drop));
    let mut added = before(&container.cap_add, &add);
    let mut dropped = before(&container.cap_drop, &drop);
    for name in drop.iter().filter(|name| *name != RESET && !add.contains(*name)) {
        if !added.remove(name) {
            dropped.insert(name.clone());
        }
    }
    for name in add.iter().filter(|name| *name != RESET) {
        if !dropped.remove(name) {
            added.insert(name.clone());
        }
    }
    for list in [&mut added, &mut dropped] {
        if list.contains(ALL) {
            list.retain(|name| name == ALL);
        }
    }
    container.cap_drop = dropped.difference(&added).cloned().collect();
    container.cap_add = added.into_iter().collect();
}

/// `net_admin` and `CAP_NET_ADMIN` are one.
fn named(texts: &[String]) -> BTreeSet<String> {
    let full = |text: &String| {
        let name = text.trim().to_ascii_uppercase();
        let plain = name == ALL || name == RESET || name.starts_with("CAP_");
        if plain { name } else { format!("CAP_{name}") }
    };
    texts.iter().map(full).collect()
}

fn before(list: &[String], given: &BTreeSet<String>) -> BTreeSet<String> {
    match given.contains(RESET) {
        true => BTreeSet::new(),
        false => named(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// What a change makes of the lists of what is added and of what is dropped.
    fn changed(have: [&str; 2], add: &str, drop: &str) -> [String; 2] {
        let mut container = ContainerSpec::of("web:1");
        [container.cap_add, container.cap_drop] = have.map(texts);
        change_capabilities(&mut container, &texts(add), &texts(drop));
        [container.cap_add, container.cap_drop].map(|list| list.join(" "))
    }

    #[test]
    fn a_step_back_comes_before_a_step_on() {
        assert_eq!(changed(["", "CAP_X"], "x", ""), ["", ""]);
        assert_eq!(changed(["", ""], "x", ""), ["CAP_X", ""]);
        assert_eq!(changed(["CAP_X", ""], "x", ""), ["CAP_X", ""]);
        assert_eq!(changed(["CAP_X", ""], "", "cap_x"), ["", ""]);
        assert_eq!(changed(["", ""], "", "cap_x"), ["", "CAP_X"]);
        assert_eq!(changed(["", ""], "x", "x y"), ["CAP_X", "CAP_Y"]);
    }

    #[test]
    fn reset_empties_a_list_and_all_stands_alone() {
        assert_eq!(changed(["CAP_A CAP_B", "CAP_C"], "RESET x", ""), ["CAP_X", "CAP_C"]);
        assert_eq!(changed(["CAP_A", "CAP_C CAP_D"], "", "reset"), ["CAP_A", ""]);
        assert_eq!(changed(["CAP_A", ""], "all", "b"), ["ALL", "CAP_B"]);
        assert_eq!(changed(["", "b CAP_A"], "", "ALL"), ["", "ALL"]);
    }

    #[test]
    fn what_is_not_changed_stays_as_it_was_written() {
        assert_eq!(changed(["CAP_B CAP_A", "y"], "", ""), ["CAP_B CAP_A", "y"]);
    }
}
