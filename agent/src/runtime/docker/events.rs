//! Follows the engine's events and turns those of our containers into changes.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures::StreamExt;
use plan::container::{ContainerState, TASK_LABEL};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    time::timeout,
};

use super::{DockerRuntime, RuntimeEvent};

/// Between attempts to reach the engine again.
const RETRY: Duration = Duration::from_millis(500);
/// An engine that takes calls answers the least of them within this.
const CALL: Duration = Duration::from_millis(300);
/// Events that may wait for the worker; the engine's stream then waits too.
const BACKLOG: usize = 256;

/// Follows for as long as the receiver lives.
pub(super) fn follow(engine: DockerRuntime) -> mpsc::Receiver<RuntimeEvent> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        let following = async {
            while follow_once(&engine, &sender).await.is_some() {
                tokio::time::sleep(RETRY).await;
            }
        };
        tokio::select! {
            () = following => {}
            () = sender.closed() => {}
        }
    });
    receiver
}

/// One connection. `None`: nobody listens any more.
async fn follow_once(engine: &DockerRuntime, sender: &mpsc::Sender<RuntimeEvent>) -> Option<()> {
    let Ok(docker) = engine.docker().await else {
        return Some(());
    };
    // Starts are our own, and health checks themselves are many: what they come to is told.
    let events = vec!["die", "destroy", "health_status"];
    let filters = HashMap::from([
        ("type", vec!["container"]),
        ("label", vec![TASK_LABEL]),
        ("event", events),
    ]);
    // The stream begins where the list that Relist asks for was surely not yet made: no change falls in between.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let options = EventsOptionsBuilder::default()
        .filters(&filters)
        .since(&since.to_string())
        .build();
    let Ok(facts) = engine.read_facts().await else {
        return Some(());
    };
    let mut stream = std::pin::pin!(docker.events(Some(options)));
    sender.send(RuntimeEvent::Relist).await.ok()?;
    while let Some(message) = stream.next().await {
        match message.map(change) {
            Ok(Some(event)) => {
                if !facts.live_restore && is_end(&event) && !engine.takes_calls().await {
                    sender.send(RuntimeEvent::Leaving).await.ok()?;
                }
                sender.send(engine.in_full(event).await).await.ok()?;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "engine events ended, connecting again");
                break;
            }
        }
    }
    if !facts.live_restore {
        sender.send(RuntimeEvent::Leaving).await.ok()?;
    }
    Some(())
}

fn is_end(event: &RuntimeEvent) -> bool {
    matches!(
        event,
        RuntimeEvent::Changed {
            state: Some(ContainerState::Exited { .. }),
            ..
        }
    )
}

impl DockerRuntime {
    /// With what the health check said, which events do not tell.
    async fn in_full(&self, event: RuntimeEvent) -> RuntimeEvent {
        match event {
            RuntimeEvent::Changed {
                task,
                container,
                state: Some(ContainerState::Unhealthy { last }),
            } => {
                let found = self.inspect_state(&container).await;
                let state = Some(found.unwrap_or(ContainerState::Unhealthy { last }));
                RuntimeEvent::Changed { task, container, state }
            }
            event => event,
        }
    }

    /// Whether it takes new calls. An engine that ends closes its socket first, then stops its containers, and tells of
    /// their ends on connections that are open already.
    async fn takes_calls(&self) -> bool {
        let path = self.host.strip_prefix("unix://").unwrap_or(&self.host);
        let asked = async {
            let mut socket = UnixStream::connect(path).await?;
            socket.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
            socket.read(&mut [0; 16]).await
        };
        matches!(timeout(CALL, asked).await, Ok(Ok(1..)))
    }
}

fn change(message: EventMessage) -> Option<RuntimeEvent> {
    let actor = message.actor?;
    let attributes = actor.attributes.unwrap_or_default();
    let state = match message.action?.as_str() {
        "health_status: healthy" => Some(ContainerState::Running),
        "health_status: unhealthy" => Some(ContainerState::Unhealthy { last: String::new() }),
        "die" => Some(ContainerState::Exited {
            code: attributes.get("exitCode").and_then(|c| c.parse().ok()).unwrap_or(-1),
            error: String::new(),
        }),
        "destroy" => None,
        _ => return None,
    };
    Some(RuntimeEvent::Changed {
        task: attributes.get(TASK_LABEL)?.parse().ok()?,
        container: actor.id?,
        state,
    })
}
