//! A manager that the test plays reads logs of the fake engine, over real TLS.

use std::time::Duration;

use model::{Role, TaskId, Timestamp};
use tokio::{sync::mpsc, time::timeout};
use tonic::{Request, Response, Status, Streaming};
use wire::pb::{
    self,
    dispatcher_server::{Dispatcher, DispatcherServer},
};

use super::*;
use crate::{
    identity::fixture::{Authority, serve_tls},
    runtime::{LogLine, LogStream, RuntimeError, fake::FakeRuntime},
};

/// A manager whose test reads the batches of each stream when it likes.
struct Reader(mpsc::Sender<Streaming<pb::LogBatch>>);

#[tonic::async_trait]
impl Dispatcher for Reader {
    type SessionStream = tokio_stream::Pending<Result<pb::SessionDown, Status>>;

    async fn session(&self, _: Request<Streaming<pb::SessionUp>>) -> Result<Response<Self::SessionStream>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn renew_certificate(
        &self,
        _: Request<pb::RenewCertificateRequest>,
    ) -> Result<Response<pb::IssueCertificateResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn confirm_trust(
        &self,
        _: Request<pb::ConfirmTrustRequest>,
    ) -> Result<Response<pb::ConfirmTrustResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn leave(&self, _: Request<pb::LeaveClusterRequest>) -> Result<Response<pb::LeaveClusterResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn publish_logs(
        &self,
        request: Request<Streaming<pb::LogBatch>>,
    ) -> Result<Response<pb::PublishLogsResponse>, Status> {
        let _ = self.0.send(request.into_inner()).await;
        std::future::pending().await
    }
}

struct Bench {
    engine: Arc<FakeRuntime>,
    publishers: Publishers,
    streams: mpsc::Receiver<Streaming<pb::LogBatch>>,
}

async fn bench() -> Bench {
    let authority = Authority::new();
    let (opens, streams) = mpsc::channel(8);
    let served = DispatcherServer::new(Reader(opens));
    let addr = serve_tls(&authority.identity(2, Role::Manager), served).await;
    let identity = watch::channel(authority.identity(1, Role::Worker)).1;
    let engine = Arc::new(FakeRuntime::default());
    Bench {
        publishers: Publishers::new(engine.clone(), identity, &addr),
        engine,
        streams,
    }
}

impl Bench {
    fn print(&self, task: u128, at: i64, text: &str) {
        let line = LogLine {
            at: Timestamp(at),
            stream: LogStream::Out,
            text: text.into(),
            details: String::new(),
        };
        self.engine.print(TaskId::from_bits(task), Ok(line));
    }

    async fn stream(&mut self) -> Streaming<pb::LogBatch> {
        let stream = timeout(Duration::from_secs(10), self.streams.recv()).await;
        stream.unwrap().unwrap()
    }
}

fn wish(attempt: u32, follow: bool, tasks: &[(u128, i64)]) -> pb::LogWishes {
    let position = |(task, after): &(u128, i64)| pb::LogPosition {
        task: TaskId::from_bits(*task).to_string(),
        after: *after,
        tail: None,
    };
    pb::LogWishes {
        wishes: vec![pb::LogWish {
            subscription: "s".to_owned(),
            attempt,
            follow,
            details: false,
            tasks: tasks.iter().map(position).collect(),
            ended: Vec::new(),
        }],
    }
}

/// The texts of lines and the reasons of notes, until there are `count`.
async fn told(stream: &mut Streaming<pb::LogBatch>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        let batch = timeout(Duration::from_secs(10), stream.message()).await;
        let batch = batch.unwrap().unwrap().expect("more lines");
        told.extend(
            batch
                .lines
                .into_iter()
                .map(|line| String::from_utf8(line.text).unwrap()),
        );
        told.extend(batch.notes.into_iter().map(|note| note.reason));
    }
    told
}

#[tokio::test]
async fn logs_that_end_are_merged_and_begin_behind_what_is_known() {
    let mut bench = bench().await;
    for (task, at, text) in [
        (1, 1, "a1"),
        (1, 4, "a4"),
        (2, 2, "b2"),
        (2, 3, "b3"),
        (3, 9, "not wished"),
    ] {
        bench.print(task, at, text);
    }
    // Without a container there is nothing to tell.
    bench.publishers.serve(wish(1, false, &[(1, 1), (2, 0), (7, 0)]));
    let mut stream = bench.stream().await;
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!((first.subscription.as_str(), first.attempt), ("s", 1));
    assert_eq!(told(&mut stream, 3).await, ["b2", "b3", "a4"]);
    let end = timeout(Duration::from_secs(10), stream.message()).await;
    assert!(end.unwrap().unwrap().is_none(), "everything is told");
}

#[tokio::test]
async fn followed_logs_go_on_and_tasks_join() {
    let mut bench = bench().await;
    bench.print(1, 1, "old");
    bench.publishers.serve(wish(1, true, &[(1, 0)]));
    let mut stream = bench.stream().await;
    assert_eq!(told(&mut stream, 1).await, ["old"]);
    bench.print(1, 2, "new");
    assert_eq!(told(&mut stream, 1).await, ["new"]);
    // Its container comes later.
    bench.publishers.serve(wish(1, true, &[(1, 0), (2, 0)]));
    bench.print(2, 3, "joined");
    assert_eq!(told(&mut stream, 1).await, ["joined"]);
    bench.publishers.serve(pb::LogWishes::default());
    let end = timeout(Duration::from_secs(10), stream.message()).await.unwrap();
    assert!(!matches!(end, Ok(Some(_))), "what is not wished ends");
}

#[tokio::test]
async fn each_attempt_is_made_once() {
    let mut bench = bench().await;
    bench.print(1, 1, "one");
    bench.publishers.serve(wish(1, false, &[(1, 0)]));
    assert_eq!(told(&mut bench.stream().await, 1).await, ["one"]);
    bench.publishers.serve(wish(1, false, &[(1, 0)]));
    bench.publishers.serve(wish(2, false, &[(1, 0)]));
    let first = bench.stream().await.message().await.unwrap().unwrap();
    assert_eq!(first.attempt, 2);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_told_in_words() {
    let mut bench = bench().await;
    let words = "its log driver \"none\" does not support reading".to_owned();
    let failed = Err(RuntimeError::Engine(words.clone()));
    bench.engine.print(TaskId::from_bits(1), failed);
    bench.print(2, 1, "fine");
    bench.publishers.serve(wish(1, false, &[(1, 0), (2, 0)]));
    let mut seen = told(&mut bench.stream().await, 2).await;
    seen.sort();
    assert_eq!(seen, ["fine".to_owned(), words]);
}

#[tokio::test]
async fn a_slow_reader_holds_up_the_engine_and_no_memory() {
    let mut bench = bench().await;
    const LINES: usize = 2_000;
    let text = "x".repeat(10_000);
    (0..LINES as i64).for_each(|at| bench.print(1, at + 1, &text));
    bench.publishers.serve(wish(1, true, &[(1, 0)]));
    let mut stream = bench.stream().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let read = bench.engine.lines_read();
    assert!(read < LINES / 4, "{read} lines were read for a reader who took none");
    assert_eq!(told(&mut stream, LINES).await.len(), LINES);
}
