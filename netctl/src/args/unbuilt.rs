//! Docker's words that netctl does not act on yet. They are known, so that the answer can be plain: "not built yet".

use std::{ffi::OsString, process::ExitCode};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::terminal;

/// Shown below the list of commands.
pub const HELP: &str = "Not built yet: secret, config, stack, service logs, service rollback.";

/// Words by their group; the empty group holds first words.
const WORDS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "secret", "config", "stack", "plan", "why", "observe", "ports", "top", "test", "events",
        ],
    ),
    ("service", &["logs", "rollback"]),
    ("network", &["connect", "disconnect", "prune"]),
];

/// Docker's flags by command.
const FLAGS: &[(&str, &[&str])] = &[
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
    ("service create", SERVICE_FLAGS),
    ("service update", SERVICE_FLAGS),
];

/// Of `service create` and `service update`.
const SERVICE_FLAGS: &[&str] = &[
    "mount",
    "mount-add",
    "mount-rm",
    "secret",
    "secret-add",
    "secret-rm",
    "config",
    "config-add",
    "config-rm",
    "health-cmd",
    "health-interval",
    "health-timeout",
    "health-retries",
    "health-start-period",
    "health-start-interval",
    "no-healthcheck",
    "limit-cpu",
    "limit-memory",
    "limit-pids",
    "reserve-cpu",
    "reserve-memory",
    "memory-swap",
    "memory-swappiness",
    "generic-resource",
    "generic-resource-add",
    "generic-resource-rm",
    "update-parallelism",
    "update-delay",
    "update-monitor",
    "update-max-failure-ratio",
    "update-order",
    "update-failure-action",
    "rollback",
    "rollback-parallelism",
    "rollback-delay",
    "rollback-monitor",
    "rollback-max-failure-ratio",
    "rollback-order",
    "rollback-failure-action",
    "placement-pref",
    "placement-pref-add",
    "placement-pref-rm",
    "replicas-max-per-node",
    "max-concurrent",
    "env-file",
    "group",
    "group-add",
    "group-rm",
    "tty",
    "init",
    "read-only",
    "stop-signal",
    "cap-add",
    "cap-drop",
    "sysctl",
    "sysctl-add",
    "sysctl-rm",
    "ulimit",
    "ulimit-add",
    "ulimit-rm",
    "oom-score-adj",
    "log-driver",
    "log-opt",
    "dns",
    "dns-add",
    "dns-rm",
    "dns-option",
    "dns-option-add",
    "dns-option-rm",
    "dns-search",
    "dns-search-add",
    "dns-search-rm",
    "host",
    "host-add",
    "host-rm",
    "isolation",
    "credential-spec",
    "force",
    "network-add",
    "network-rm",
    "container-label-add",
    "container-label-rm",
    "entrypoint",
    "endpoint-mode",
    "hostname",
    "user",
    "workdir",
    "restart-condition",
    "restart-delay",
    "restart-max-attempts",
    "restart-window",
    "stop-grace-period",
];

fn listed(table: &[(&str, &[&str])], group: &str, word: &str) -> bool {
    table
        .iter()
        .any(|(name, words)| *name == group && words.contains(&word))
}

/// Says what is wrong with a first word that is no command.
pub fn unknown_word(group: &[&str], rest: &[OsString]) -> ExitCode {
    let words: Vec<_> = rest.iter().map(|word| word.to_string_lossy()).collect();
    let first = words.first().map_or("", |word| word);
    let shown = words.iter().take_while(|word| !word.starts_with('-')).take(2);
    let shown = shown.map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
    terminal::complain(&match listed(WORDS, &group.join(" "), first) {
        true => format!("netctl {shown}: not built yet"),
        false => format!("netctl: '{first}' is not a netctl command.\nSee 'netctl --help'"),
    });
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
            let name = flag.trim_start_matches('-').split(['=', ' ']).next()?;
            listed(FLAGS, &command, name).then(|| format!("netctl {command} --{name}"))
        }
        _ => None,
    }
}
