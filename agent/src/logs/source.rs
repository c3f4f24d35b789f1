//! One task's log as a source: what its container prints, through moments when there is no container yet or no engine.

use std::{sync::Arc, time::Duration};

use model::{TaskId, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

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

/// Reads a task's log until it ends, or nobody listens any more. While it is followed, a container is waited for, until
/// the task has `ended`: then none will come.
pub async fn read(
    engine: Arc<dyn Runtime>,
    task: TaskId,
    mut request: LogRequest,
    mut ended: watch::Receiver<bool>,
    to: mpsc::Sender<(TaskId, Said)>,
) {
    loop {
        // Before the look at the engine: a container that came and ended in between has a log.
        let comes = request.follow && !*ended.borrow_and_update();
        let error = match read_once(&*engine, task, &mut request, &to).await {
            Ok(()) => return,
            Err(error) => error,
        };
        match error {
            RuntimeError::NotFound(_) if !comes => return,
            RuntimeError::NotFound(_) => {}
            error if request.follow && error.is_about_the_engine() => {}
            error => {
                let _ = to.send((task, Said::Trouble(error.to_string()))).await;
                return;
            }
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            Ok(()) = ended.changed() => {}
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

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::runtime::fake::FakeRuntime;

    #[tokio::test(start_paused = true)]
    async fn a_container_is_waited_for_until_the_task_has_ended() {
        let engine: Arc<FakeRuntime> = Arc::default();
        let request = LogRequest {
            follow: true,
            details: false,
            after: Timestamp(0),
            tail: None,
        };
        let (to, _said) = mpsc::channel(1);
        let (ends, ended) = watch::channel(false);
        let reading = read(engine.clone(), TaskId::from_bits(1), request, ended.clone(), to.clone());
        tokio::pin!(reading);
        let waited = timeout(Duration::from_secs(60), &mut reading).await;
        assert!(waited.is_err(), "it may come");
        ends.send_replace(true);
        timeout(AGAIN, reading).await.expect("none will come");
        let other = read(engine, TaskId::from_bits(2), request, ended, to);
        timeout(AGAIN, other).await.expect("none will come");
    }
}
