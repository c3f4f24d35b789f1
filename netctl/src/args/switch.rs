//! Flags as docker's parser takes them: what is on or off may be given a truth value, and of a flag that comes again the
//! last one counts.

use std::any::TypeId;

use clap::{Arg, ArgAction, Command};

/// The command with all of its flags so.
pub fn as_docker(command: Command) -> Command {
    command
        .args_override_self(true)
        .mut_args(switch)
        .mut_subcommands(as_docker)
}

/// A flag for a truth value: `--flag` is `--flag=true`, and without it a plain `bool` is false.
fn switch(arg: Arg) -> Arg {
    let plain = matches!(arg.get_action(), ArgAction::SetTrue);
    if !plain && arg.get_value_parser().type_id() != TypeId::of::<bool>() {
        return arg;
    }
    let arg = arg
        .action(ArgAction::Set)
        .value_parser(truth)
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .hide_default_value(true);
    match plain {
        true => arg.default_value("false"),
        false => arg,
    }
}

/// Go's truth values.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("use true or false".to_owned()),
    }
}
