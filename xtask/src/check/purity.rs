//! No I/O, clock, dice or unordered iteration below `core/`: time, ids and dice
//! are arguments there, so that a run can be repeated exactly.
//!
//! Reads the sources as text: simple, and a false alarm is easily reworded.

use crate::repo;
use anyhow::{Result, bail};
use std::path::Path;

/// Words that have no business below `core/`.
const BANNED: &[&str] = &[
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "SystemTime",
    "Instant",
    "HashMap",
    "HashSet",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "tokio::",
    "rand::",
    "getrandom",
];

/// Checks every source below `core/*/src`.
///
/// # Errors
/// Lists file, line and word.
pub fn check() -> Result<()> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(repo::root().join("core"))? {
        visit(&entry?.path().join("src"), &mut found)?;
    }
    if found.is_empty() {
        return Ok(());
    }
    bail!("core/ decides, it does not act:\n  {}", found.join("\n  "))
}

fn visit(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            visit(&path, found)?;
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let name = path.strip_prefix(repo::root()).unwrap_or(&path).display().to_string();
            found.extend(banned_lines(&text).map(|(number, word)| format!("{name}:{number}: {word}")));
        }
    }
    Ok(())
}

fn banned_lines(text: &str) -> impl Iterator<Item = (usize, &'static str)> + '_ {
    let code = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(at, line)| {
        BANNED
            .iter()
            .filter(|word| has_word(line, word))
            .map(move |word| (at + 1, *word))
    })
}

/// True when `word` stands in `line` and is not the end of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let inside = |letter: Option<char>| letter.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !inside(before) && (word.ends_with(':') || !inside(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_found_and_a_comment_about_one_is_not() {
        let text = "// Instant is an argument\nlet now = Instant::now();\nlet x = Instantly;\n";
        assert_eq!(banned_lines(text).collect::<Vec<_>>(), [(2, "Instant")]);
    }

    #[test]
    fn this_repository_decides_in_core_and_acts_elsewhere() -> Result<()> {
        check()
    }
}
