//! Docker's words that netctl does not act on yet. They are known, so that the answer can be plain: "not built yet".

use std::{ffi::OsString, process::ExitCode};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::terminal;

/// Shown below the list of commands.
pub const HELP: &str = "Not built yet: plan, observe, ports, top, test, kube, trace, import.";

/// Words by their group; the empty group holds first words.
const WORDS: &[(&str, &[&str])] = &[
    (
        "",
        &["plan", "observe", "ports", "top", "test", "kube", "trace", "import"],
    ),
    ("network", &["connect", "disconnect", "prune"]),
    ("stack", &["config"]),
];

/// Docker's flags by command.
const FLAGS: &[(&str, &[&str])] = &[
    ("swarm init", &["encrypt"]),
    ("network inspect", &["verbose", "v"]),
    (
        "network create",
        &[
            "ip-range",
            "aux-address",
            "ipv4",
            "ipv6",
            "ipam-driver",
            "ipam-opt",
            "config-only",
            "config-from",
            "ingress",
        ],
    ),
];

fn listed(table: &[(&str, &[&str])], group: &str, word: &str) -> bool {
    table
        .iter()
        .any(|(name, words)| *name == group && words.contains(&word))
}

/// Says what is wrong with a first word that is no command, and gives the exit code.
pub fn unknown_word(rest: &[OsString]) -> ExitCode {
    let words: Vec<_> = rest.iter().map(|word| word.to_string_lossy()).collect();
    let first = words.first().map_or("", |word| word);
    if !listed(WORDS, "", first) {
        terminal::complain(&format!(
            "netctl: '{first}' is not a netctl command.\nSee 'netctl --help'"
        ));
        return ExitCode::from(2);
    }
    let shown = words.iter().take_while(|word| !word.starts_with('-')).take(2);
    let shown = shown.map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
    terminal::complain(&format!("netctl {shown}: not built yet"));
    ExitCode::FAILURE
}

/// What a command line asked for that netctl will have later; `None` if the error is a plain mistake.
pub fn named_in(error: &clap::Error, words: &[OsString]) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let mut plain = words.iter().skip(1).filter_map(|word| word.to_str());
    let mut plain = std::iter::from_fn(|| plain.find(|word| !word.starts_with('-') && !word.starts_with("unix:")));
    let group = plain.next().unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = context(ContextKind::InvalidSubcommand)?;
            listed(WORDS, group, word).then(|| format!("netctl {group} {word}"))
        }
        ErrorKind::UnknownArgument => {
            let command = format!("{group} {}", plain.next().unwrap_or_default());
            let flag = context(ContextKind::InvalidArg)?;
            let flag = flag.split(['=', ' ']).next()?;
            listed(FLAGS, &command, flag.trim_start_matches('-')).then(|| format!("netctl {command} {flag}"))
        }
        _ => None,
    }
}
