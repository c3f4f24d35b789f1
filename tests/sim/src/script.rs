//! Scripts: behaviours of services as text. Steps go in, what an operator could see comes out, and must be what the file
//! says. One behaviour, one file of `tests/sim/scripts`; `cargo test -p sim scripts` plays them all, and with
//! `SIM_REWRITE=1` writes what comes out into the files instead (then read the difference).
//!
//! The real deciders and the real state, agents that take the real `plan::container` steps, and time that moves only when
//! a script says so. No raft, no network, no chance. After every step passes and agents work until nothing is left to do
//! at that moment; nothing that is decided may be refused, and a pass over everything must then find nothing more.
//!
//! A line is a step, `#` begins a comment, and lines that are indented by four spaces are what the step before them
//! prints: what `expect` and `trace` show, or why a step was refused. Spans are `500ms`, `5s`, `2m`, `1h`.
//!
//! ```text
//! nodes 3                            first of all: ready nodes n1, n2, n3 of one cluster; n1 is its manager
//! settings history=2                 of the cluster: history (tasks kept per slot)
//! network back [10.9.0.0/29]         a network
//! secret db TEXT | rotate db TEXT    `secret create`, `secret update`
//! service web KEY=VALUE...           `service create`; the keys are those of script/spec.rs
//! update web KEY=VALUE...            `service update` with other values for these keys
//! canary web 10 KEY=VALUE...         `service update --canary 10%`; other values may be left out for another share
//! canary web promote|abort           `service update --promote`, `--abort`
//! rollback web                       `service rollback`
//! rebalance web 2                    `service rebalance`, so many tasks at a time
//! remove web                         `service rm`
//! label n2 zone=a                    a label of a node; an empty value takes it away
//! machine n2 cpus=4 memory=512       what a node says of its machine: cores, MiB, generic=gpu=2, holds=8080 (a port)
//! drain n2 | pause n2 | activate n2  availability of a node
//! promote n2 | demote n2             wished role of a node
//! down n2                            nobody hears the node any more; its containers go on
//! crash n2                           the same, and its containers end
//! up n2                              it is back, after a crash with an agent that has just begun
//! forget n2                          `node rm`, of a node that is down
//! fail web.1 [CODE]                  the container that runs in this slot ends, with 1 unless it is said; `web.n2` for
//!                                    the task of a global service on a node
//! takes prepare|start|stop 2s        what engines need for it from now on; nothing at first
//! missing IMAGE                      engines cannot get this image from now on
//! exits IMAGE 2s CODE                containers of this image end so long after they began, from now on
//! advance 5s                         time passes
//! leaderless 5s                      the leader dies; after that time another one leads
//! trace 5s                           time passes, and each change that is seen is printed with when it was
//! expect                             all there is: nodes that are not ready and active, old secrets, services with how
//!                                    many of their tasks run, and per slot the tasks from the oldest on: name, node,
//!                                    image, generic resources, secrets, wanted state, state, message and error
//! ```

mod bed;
mod show;
mod spec;
mod step;

use std::{fs, io, path::Path};

use bed::Bed;

/// What an output line begins with.
const INDENT: &str = "    ";

/// Plays a script; the same text with what its steps print now.
///
/// # Errors
/// With the line of a step that cannot be read, or after which something is wrong whatever the text expects.
pub fn play(text: &str) -> Result<String, String> {
    let mut bed = Bed::default();
    let mut played = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with(INDENT) {
            continue;
        }
        played.push_str(line);
        played.push('\n');
        let step = line.split('#').next().unwrap_or_default().trim();
        if step.is_empty() {
            continue;
        }
        let printed = step::take(&mut bed, step).map_err(|why| format!("line {number}, {step}: {why}"))?;
        for line in printed {
            played.push_str(format!("{INDENT}{line}").trim_end());
            played.push('\n');
        }
    }
    Ok(played)
}

/// Plays the script in a file and compares, or writes what comes out into it.
///
/// # Errors
/// As [`play`], and with both texts from the first line on in which they differ.
pub fn check(file: &Path, rewrite: bool) -> Result<(), String> {
    let io = |why: io::Error| format!("{}: {why}", file.display());
    let wanted = fs::read_to_string(file).map_err(io)?;
    let played = play(&wanted).map_err(|why| format!("{}: {why}", file.display()))?;
    if rewrite {
        return fs::write(file, played).map_err(io);
    }
    let pairs = wanted.lines().zip(played.lines());
    let same = pairs.take_while(|(wanted, played)| wanted == played).count();
    if same == wanted.lines().count() && same == played.lines().count() {
        return Ok(());
    }
    let rest = |text: &str| text.lines().skip(same).take(12).collect::<Vec<_>>().join("\n");
    Err(format!(
        "{} line {}, expected:\n{}\nbut it is:\n{}",
        file.display(),
        same + 1,
        rest(&wanted),
        rest(&played)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_says_is_kept_and_what_it_expects_is_made_anew() {
        let text = "# One.\nnodes 1\n\nservice web replicas=1 # two\nexpect\n    nonsense\n";
        let played = play(text).unwrap();
        assert!(
            played.starts_with("# One.\nnodes 1\n\nservice web replicas=1 # two\nexpect\n    web 1/1\n"),
            "{played}"
        );
        assert_eq!(play(&played).as_ref(), Ok(&played));
        assert!(play("nodes 1\nfly\n").unwrap_err().starts_with("line 2, fly: "));
    }
}
