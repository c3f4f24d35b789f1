//! Reads what a container printed. The engine puts its time before each line; lines longer than 16 KiB come from it in
//! parts, which are put together again.

mod details;
mod join;

use std::collections::HashMap;

use bollard::{
    container::LogOutput,
    models::ContainerInspectResponse,
    query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder, LogsOptions, LogsOptionsBuilder},
};
use futures::StreamExt;
use model::TaskId;
use plan::container::TASK_LABEL;
use tokio::sync::mpsc;

use self::{details::details, join::Joiner};
use super::{DockerRuntime, LogLine, LogRequest, RuntimeError};
use crate::runtime::LogStream;

/// Lines that may wait for their reader; the engine then waits too.
const BACKLOG: usize = 16;

type Lines = mpsc::Sender<Result<LogLine, RuntimeError>>;

/// Reads for as long as the receiver lives.
pub(super) fn read(
    engine: DockerRuntime,
    task: TaskId,
    request: LogRequest,
) -> mpsc::Receiver<Result<LogLine, RuntimeError>> {
    let (lines, receiver) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        let outcome = tokio::select! {
            outcome = engine.read_log(task, request, &lines) => outcome,
            () = lines.closed() => return,
        };
        if let Err(error) = outcome {
            // A reader that has gone need not hear why.
            let _ = lines.send(Err(error)).await;
        }
    });
    receiver
}

impl DockerRuntime {
    async fn read_log(&self, task: TaskId, request: LogRequest, lines: &Lines) -> Result<(), RuntimeError> {
        let container = self.container_of(task).await?;
        let inspected = self
            .docker()
            .await?
            .inspect_container(&container, None::<InspectContainerOptions>)
            .await
            .map_err(|e| self.fault(e))?;
        let details = if request.details {
            details(&inspected)
        } else {
            String::new()
        };
        let docker = self.docker().await?;
        let mut stream = std::pin::pin!(docker.logs(&container, Some(options(&request))));
        let mut joiner = Joiner::default();
        let line = |(stream, at, text)| LogLine {
            at,
            stream,
            text,
            details: details.clone(),
        };
        while let Some(output) = stream.next().await {
            let output = output.map_err(|e| unreadable(self.fault(e), &inspected))?;
            let (stream, message) = match output {
                LogOutput::StdErr { message } => (LogStream::Err, message),
                LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                    (LogStream::Out, message)
                }
            };
            let Some((at, text)) = joiner.take(stream, &message) else {
                continue;
            };
            if at > request.after && lines.send(Ok(line((stream, at, text)))).await.is_err() {
                return Ok(());
            }
        }
        for rest in joiner.rest() {
            let _ = lines.send(Ok(line(rest))).await;
        }
        Ok(())
    }

    /// The newest container of a task.
    async fn container_of(&self, task: TaskId) -> Result<String, RuntimeError> {
        let filters = HashMap::from([("label", vec![format!("{TASK_LABEL}={task}")])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let found = self.docker().await?.list_containers(Some(options)).await;
        let ids = found.map_err(|e| self.fault(e))?.into_iter().filter_map(|c| c.id);
        ids.into_iter()
            .next()
            .ok_or_else(|| RuntimeError::NotFound(format!("task {task} has no container on this node")))
    }
}

fn options(request: &LogRequest) -> LogsOptions {
    // Whole seconds are what the engine is asked for; the rest of the first one is left out of what it answers.
    let since = request.after.0.div_euclid(1_000_000_000).clamp(0, i32::MAX.into());
    let tail = request.tail.map_or_else(|| "all".to_owned(), |count| count.to_string());
    LogsOptionsBuilder::default()
        .follow(request.follow)
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .since(i32::try_from(since).unwrap_or_default())
        .tail(&tail)
        .build()
}

/// A driver that gives nothing back is named; the engine says only that there is one.
fn unreadable(error: RuntimeError, container: &ContainerInspectResponse) -> RuntimeError {
    let config = container.host_config.as_ref().and_then(|host| host.log_config.as_ref());
    let driver = config.and_then(|config| config.typ.as_deref()).unwrap_or_default();
    match error {
        RuntimeError::Engine(words) if words.contains("does not support reading") => RuntimeError::Engine(format!(
            "its log driver \"{driver}\" does not support reading: give the service another with --log-driver, or read the logs where that driver sends them"
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{HostConfig, HostConfigLogConfig};

    use super::*;
    use crate::runtime::docker::stub::Stub;

    #[tokio::test]
    async fn a_log_that_breaks_with_its_engine_is_read_on_when_there_is_one() {
        let line = "2026-01-01T00:00:00.000000001Z hello\n";
        let framed = format!("\u{1}\0\0\0\0\0\0{}{line}", char::from(line.len() as u8));
        let stub = Stub::dying_at("/containers/c1/logs", move |path| match path {
            "/containers/json" => (200, r#"[{"Id":"c1"}]"#.to_owned()),
            "/containers/c1/json" => (200, "{}".to_owned()),
            _ => (200, framed.clone()),
        });
        let request = LogRequest {
            follow: true,
            details: false,
            after: model::Timestamp(0),
            tail: None,
        };
        let mut lines = read(DockerRuntime::new(&stub.host), TaskId::from_bits(1), request);
        let first = lines.recv().await.unwrap().unwrap();
        assert_eq!(first.text, b"hello");
        let end = lines.recv().await.unwrap().unwrap_err();
        assert!(end.is_about_the_engine(), "{end}");
    }

    #[test]
    fn a_driver_that_cannot_be_read_is_named() {
        let container = ContainerInspectResponse {
            host_config: Some(HostConfig {
                log_config: Some(HostConfigLogConfig {
                    typ: Some("none".to_owned()),
                    config: None,
                }),
                ..HostConfig::default()
            }),
            ..ContainerInspectResponse::default()
        };
        let said = RuntimeError::Engine("configured logging driver does not support reading".to_owned());
        let told = unreadable(said, &container).to_string();
        assert!(
            told.starts_with("its log driver \"none\" does not support reading"),
            "{told}"
        );
        let other = RuntimeError::NotFound("No such container".to_owned());
        assert_eq!(unreadable(other.clone(), &container), other);
    }
}
