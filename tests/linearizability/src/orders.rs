//! Orders on standard input.

use anyhow::{Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::recorder::Recorder;

/// Carries out orders until `end`, or until nobody can give any more.
///
/// # Errors
/// An order makes no sense.
pub async fn follow(recorder: &Recorder) -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.split_once(' ') {
            Some(("mark", name)) => recorder.mark(name),
            None if line == "end" => return Ok(()),
            _ => bail!("no such order: {line}"),
        }
    }
    Ok(())
}
