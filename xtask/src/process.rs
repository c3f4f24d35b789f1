//! Running other programs: one place for what is printed and what an error says.
//!
//! Called by every subcommand. Never goes through a shell unless the caller
//! names one.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

/// A program with its arguments.
pub fn command<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs with the terminal's own input and output.
///
/// # Errors
/// The program is missing or ends with another code than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", words(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", words(command));
    }
    Ok(())
}

/// Runs in silence and returns standard output.
///
/// # Errors
/// As [`run`]; the message carries what the program wrote to standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    if !output.status.success() {
        bail!("{} failed ({}): {}", words(command), output.status, said(&output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs in silence and returns the outcome, whatever the exit code.
///
/// # Errors
/// The program is missing.
pub fn capture(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null());
    command
        .output()
        .with_context(|| format!("cannot start {}", words(command)))
}

/// Runs in silence; true when the exit code is 0.
pub fn succeeds(command: &mut Command) -> bool {
    capture(command).is_ok_and(|output| output.status.success())
}

/// True when `program` is found on the PATH.
pub fn exists(program: &str) -> bool {
    succeeds(&mut command("sh", &["-c", &format!("command -v {program}")]))
}

/// The program's last words: standard error, or standard output when that is empty.
pub fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = if errors.trim().is_empty() {
        String::from_utf8_lossy(&output.stdout)
    } else {
        errors
    };
    text.trim().to_owned()
}

fn words(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}
