//! One task's log as a source: what its container prints, through moments when there is no container yet or no engine.

use std::{sync::Arc, time::Duration};

use model::{TaskId, Timestamp};
use tokio::{sync::mpsc, time::sleep};

use crate::runtime::{LogLine, LogRequest, Runtime, RuntimeError};

/// While a log is followed: before a container that is not there, or an engine that does not answer, is looked for again.
const AGAIN: Duration = Duration::from_millis(500);

/// What a source says.
#[derive(Debug)]
pub enum Said {
    /// A line.
    Line(LogLine),
    /// Why there is no more, in words.
    Trouble(String),
}

/// Reads a task's log until it ends, or nobody listens any more. While it is followed, a container is waited for.
pub async fn read(engine: Arc<dyn Runtime>, task: TaskId, mut request: LogRequest, to: mpsc::Sender<(TaskId, Said)>) {
    loop {
        let error = match read_once(&*engine, task, &mut request, &to).await {
            Ok(()) => return,
            Err(error) => error,
        };
        match error {
            RuntimeError::NotFound(_) if !request.follow => return,
            RuntimeError::NotFound(_) => {}
            error if request.follow && error.is_about_the_engine() => {}
            error => {
                let _ = to.send((task, Said::Trouble(error.to_string()))).await;
                return;
            }
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = to.closed() => return,
        }
    }
}

/// Reads until the log or the listener ends; the request then asks for what is later than that.
async fn read_once(
    engine: &dyn Runtime,
    task: TaskId,
    request: &mut LogRequest,
    to: &mpsc::Sender<(TaskId, Said)>,
) -> Result<(), RuntimeError> {
    let mut lines = engine.logs(task, *request);
    while let Some(line) = lines.recv().await {
        let line = line?;
        request.after = request.after.max(line.at);
        // What comes after a break is new, however much it is.
        request.tail = None;
        if to.send((task, Said::Line(line))).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// A position as it comes from a manager.
pub fn position(given: &wire::pb::LogPosition) -> Option<(TaskId, Timestamp, Option<u64>)> {
    Some((given.task.parse().ok()?, Timestamp(given.after), given.tail))
}
