//! Follows the engine's events and turns those of our containers into changes.

use std::{
    collections::{HashMap, VecDeque},
    future::ready,
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures::{Stream, StreamExt};
use plan::container::{ContainerState, TASK_LABEL};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{DockerRuntime, RuntimeEvent};

/// Between attempts to reach the engine again.
const RETRY: Duration = Duration::from_millis(500);
/// An engine that takes calls answers the least of them within this.
const CALL: Duration = Duration::from_millis(300);
/// One that answers nothing for this long counts as one that ends.
const HELD_BACK: Duration = Duration::from_secs(3);
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
    let (Ok(facts), Ok(docker)) = (engine.read_facts().await, engine.docker().await) else {
        return Some(());
    };
    let messages = docker.events(Some(options)).take_while(|message| {
        if let Err(error) = message {
            tracing::warn!(%error, "engine events ended, connecting again");
        }
        ready(message.is_ok())
    });
    let changes = messages.filter_map(|message| ready(message.ok().and_then(change)));
    let changes = pin!(changes);
    let mut changes = Changes::of(changes);
    sender.send(RuntimeEvent::Relist).await.ok()?;
    while let Some(event) = changes.next().await {
        if !facts.live_restore && is_end(&event) && engine.leaves(&mut changes).await {
            sender.send(RuntimeEvent::Leaving).await.ok()?;
        }
        sender.send(engine.in_full(event).await).await.ok()?;
    }
    if !facts.live_restore {
        sender.send(RuntimeEvent::Leaving).await.ok()?;
    }
    Some(())
}

/// Changes as they come, of which some may be looked at ahead.
struct Changes<S> {
    stream: S,
    ahead: VecDeque<RuntimeEvent>,
    ended: bool,
}

impl<S: Stream<Item = RuntimeEvent> + Unpin> Changes<S> {
    fn of(stream: S) -> Self {
        Self {
            stream,
            ahead: VecDeque::new(),
            ended: false,
        }
    }

    async fn next(&mut self) -> Option<RuntimeEvent> {
        match self.ahead.pop_front() {
            None if !self.ended => self.stream.next().await,
            next => next,
        }
    }

    /// Returns when no more will come.
    async fn over(&mut self) {
        while !self.ended {
            match self.stream.next().await {
                Some(event) => self.ahead.push_back(event),
                None => self.ended = true,
            }
        }
    }
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

    /// Whether it ends: then it closes its socket first, stops its containers, and tells of their ends on connections
    /// that are open already. Something else may hold the socket open for the engine that comes next: what that one
    /// answers comes after the end of this one's events. An engine under load answers late.
    async fn leaves(&self, changes: &mut Changes<impl Stream<Item = RuntimeEvent> + Unpin>) -> bool {
        let answered = async {
            loop {
                if let Some(takes_calls) = self.takes_calls().await {
                    return takes_calls;
                }
            }
        };
        tokio::select! {
            biased;
            () = changes.over() => true,
            takes_calls = answered => !takes_calls,
            () = sleep(HELD_BACK) => true,
        }
    }

    /// Whether it takes new calls; `None`: it has not answered yet.
    async fn takes_calls(&self) -> Option<bool> {
        let path = self.host.strip_prefix("unix://").unwrap_or(&self.host);
        let asked = async {
            let mut socket = UnixStream::connect(path).await?;
            socket.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
            socket.read(&mut [0; 16]).await
        };
        let answer = timeout(CALL, asked).await.ok()?;
        Some(matches!(answer, Ok(1..)))
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::stream;
    use tokio::net::UnixListener;

    use super::*;

    /// An engine whose socket takes calls and answers them after this long, and whether it is taken for one that ends.
    async fn leaves(answers_after: Option<Duration>, events: impl Stream<Item = RuntimeEvent>) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let engine = DockerRuntime::new(&format!("unix://{}", path.display()));
        let listener = UnixListener::bind(&path).unwrap();
        let begun = Instant::now();
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                if answers_after.is_some_and(|after| begun.elapsed() >= after) {
                    socket.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
                }
                asked.push(socket);
            }
        });
        let events = pin!(events);
        let mut changes = Changes::of(events);
        let leaves = engine.leaves(&mut changes).await;
        serving.abort();
        assert_eq!(changes.next().await, Some(RuntimeEvent::Relist), "nothing is lost");
        leaves
    }

    /// An event, then none for ever.
    fn goes_on() -> impl Stream<Item = RuntimeEvent> {
        stream::iter([RuntimeEvent::Relist]).chain(stream::pending())
    }

    #[tokio::test]
    async fn an_engine_that_answers_late_does_not_end() {
        assert!(!leaves(Some(Duration::ZERO), goes_on()).await);
        assert!(!leaves(Some(Duration::from_secs(1)), goes_on()).await);
        assert!(leaves(None, goes_on()).await);
        let over = stream::iter([RuntimeEvent::Relist]);
        assert!(leaves(Some(Duration::ZERO), over).await, "the next engine answers");
    }

    #[tokio::test]
    async fn an_engine_without_a_socket_ends() {
        let engine = DockerRuntime::new("unix:///nowhere/docker.sock");
        let events = pin!(goes_on());
        let mut changes = Changes::of(events);
        assert!(timeout(HELD_BACK / 2, engine.leaves(&mut changes)).await.unwrap());
    }
}
