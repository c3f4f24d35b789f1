//! Logs of nodes that the tests play: merged, followed, through nodes that are down and that come back, from any manager.

use std::time::Duration;

use manager::ManagerHandle;
use model::Role;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};
use wire::pb::{self, control_client::ControlClient, dispatcher_client::DispatcherClient, session_down, session_up};

use crate::node::{Agent, Member, bootstrap, join, network, operator, service};

const PATIENCE: Duration = Duration::from_secs(15);

/// A node with a session, which prints what the test says.
struct Node {
    member: Member,
    agent: Agent,
    tasks: Vec<pb::Task>,
}

impl Node {
    async fn begin(manager: &ManagerHandle, name: &str) -> Self {
        let token = manager.join_token(Role::Worker).unwrap();
        let member = join(manager.listen_addr(), &token).await.unwrap();
        let mut agent = member.agent(name).await;
        agent.view(|_| true).await;
        let beating = agent.up.clone();
        tokio::spawn(async move {
            let beat = session_up::Message::Heartbeat(pb::Heartbeat::default());
            let beat = pb::SessionUp { message: Some(beat) };
            while beating.send(beat.clone()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        });
        Self {
            member,
            agent,
            tasks: Vec::new(),
        }
    }

    /// Waits for its tasks.
    async fn has(&mut self, count: usize) {
        self.tasks = self.agent.view(|view| view.tasks.len() == count).await.tasks;
    }

    fn task(&self, at: usize) -> String {
        self.tasks[at].id.clone()
    }

    /// The next wishes that name a reading.
    async fn wish(&mut self) -> pb::LogWish {
        loop {
            match self.agent.next_for(PATIENCE).await.unwrap() {
                session_down::Message::Logs(mut wishes) if !wishes.wishes.is_empty() => return wishes.wishes.remove(0),
                _ => {}
            }
        }
    }

    async fn publish(&self, wish: &pb::LogWish) -> Sending {
        let (up, stream) = mpsc::channel(1);
        let mut client = DispatcherClient::new(self.member.channel().await);
        let answer = tokio::spawn(async move { client.publish_logs(ReceiverStream::new(stream)).await.map(drop) });
        let first = pb::LogBatch {
            subscription: wish.subscription.clone(),
            attempt: wish.attempt,
            ..pb::LogBatch::default()
        };
        up.send(first).await.unwrap();
        Sending { up, answer }
    }
}

struct Sending {
    up: mpsc::Sender<pb::LogBatch>,
    answer: tokio::task::JoinHandle<Result<(), Status>>,
}

impl Sending {
    async fn print(&self, task: &str, lines: &[(i64, &str)]) {
        let line = |(at, text): &(i64, &str)| pb::LogLine {
            task: task.to_owned(),
            at: *at,
            stream: pb::LogStream::Stdout.into(),
            text: text.as_bytes().to_vec(),
            details: String::new(),
        };
        let batch = pb::LogBatch {
            lines: lines.iter().map(line).collect(),
            ..pb::LogBatch::default()
        };
        self.up.send(batch).await.unwrap();
    }

    /// Everything is told.
    async fn end(self) -> Result<(), Status> {
        drop(self.up);
        timeout(PATIENCE, self.answer).await.unwrap().unwrap()
    }
}

fn of(service: &str, follow: bool) -> pb::LogsRequest {
    pb::LogsRequest {
        services: vec![service.to_owned()],
        follow,
        ..pb::LogsRequest::default()
    }
}

/// The next response that has lines or notes.
async fn next(stream: &mut Streaming<pb::LogsResponse>) -> Option<pb::LogsResponse> {
    timeout(PATIENCE, stream.message()).await.unwrap().unwrap()
}

/// Texts until there are `count`, or to the end of what ends.
async fn told(stream: &mut Streaming<pb::LogsResponse>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        let Some(response) = next(stream).await else { break };
        told.extend(
            response
                .lines
                .into_iter()
                .map(|line| String::from_utf8(line.text).unwrap()),
        );
    }
    told
}

async fn reasons(stream: &mut Streaming<pb::LogsResponse>) -> Vec<String> {
    loop {
        let response = next(stream).await.unwrap();
        if !response.notes.is_empty() {
            return response.notes.into_iter().map(|note| note.reason).collect();
        }
    }
}

/// Two nodes with a task each of service "web".
async fn cluster(manager: &ManagerHandle) -> (Node, Node, ControlClient<Channel>) {
    let (mut one, mut two) = (Node::begin(manager, "one").await, Node::begin(manager, "two").await);
    let mut control = operator(manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 2)).await.unwrap();
    one.has(1).await;
    two.has(1).await;
    (one, two, control)
}

#[tokio::test]
async fn logs_of_all_nodes_are_merged_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (mut one, mut two, mut control) = cluster(&manager).await;
    let mut stream = control.logs(of("web", false)).await.unwrap().into_inner();
    let (first, second) = (one.wish().await, two.wish().await);
    assert_eq!((first.follow, first.tasks.len()), (false, 1));
    let (first, second) = (one.publish(&first).await, two.publish(&second).await);
    first.print(&one.task(0), &[(1, "a1"), (4, "a4")]).await;
    second.print(&two.task(0), &[(2, "b2")]).await;
    second.print(&two.task(0), &[(3, "b3"), (5, "b5")]).await;
    first.end().await.unwrap();
    second.end().await.unwrap();
    assert_eq!(told(&mut stream, 9).await, ["a1", "b2", "b3", "a4", "b5"]);
    manager.shutdown().await;
}

#[tokio::test]
async fn what_is_followed_goes_on_where_it_was_read_to_and_survives_a_broken_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut one = Node::begin(&manager, "one").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 1)).await.unwrap();
    one.has(1).await;
    let mut stream = control.logs(of("web", true)).await.unwrap().into_inner();
    let all = one.wish().await;
    let sending = one.publish(&all).await;
    sending.print(&one.task(0), &[(1, "old"), (2, "older")]).await;
    sending.end().await.unwrap();
    let response = next(&mut stream).await.unwrap();
    assert_eq!(response.origins[0].name, "web.1");
    assert_eq!(
        (response.origins[0].hostname.as_str(), response.lines.len()),
        ("one", 2)
    );

    let going_on = one.wish().await;
    assert_eq!((going_on.follow, going_on.tasks[0].after), (true, 2));
    let sending = one.publish(&going_on).await;
    sending.print(&one.task(0), &[(4, "late"), (3, "early")]).await;
    assert_eq!(told(&mut stream, 2).await, ["early", "late"], "put in order");
    // The stream breaks.
    sending.answer.abort();
    let again = one.wish().await;
    assert_eq!((again.attempt, again.tasks[0].after), (going_on.attempt + 1, 4));
    let sending = one.publish(&again).await;
    sending.print(&one.task(0), &[(4, "late"), (5, "after")]).await;
    assert_eq!(told(&mut stream, 1).await, ["after"], "nothing twice");
    // Whoever reads no more ends it everywhere.
    drop(stream);
    let answer = timeout(PATIENCE, sending.answer).await.unwrap().unwrap();
    answer.unwrap();
    manager.shutdown().await;
}

#[tokio::test]
async fn new_tasks_of_the_service_join_and_what_does_not_come_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (mut one, mut two, mut control) = cluster(&manager).await;
    let mut request = of("web", true);
    request.tail = Some(0);
    let mut stream = control.logs(request).await.unwrap().into_inner();
    let wish = one.wish().await;
    assert_eq!(wish.tasks[0].tail, Some(0));
    let sending = one.publish(&wish).await;
    assert_eq!(
        reasons(&mut stream).await,
        ["node two is not available"],
        "it sends nothing"
    );
    let first = two.wish().await;
    let _late = two.publish(&first).await;
    let second = two.wish().await;
    let _comes = two.publish(&second).await;
    assert_eq!(reasons(&mut stream).await, ["node two is available again"]);

    let listed = control
        .list_services(pb::ListServicesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let web = listed.services.into_iter().next().unwrap();
    let mut spec = web.spec.unwrap();
    spec.mode = Some(pb::service_spec::Mode::Replicated(pb::ReplicatedMode { replicas: 3 }));
    let update = pb::UpdateServiceRequest {
        request: String::new(),
        r#ref: web.id,
        version: web.version,
        spec: Some(spec),
        ..Default::default()
    };
    control.update_service(update).await.unwrap();
    // The third task is on the manager's own node, or one of these: whichever it is, is told.
    let listed = async || {
        let tasks = control
            .clone()
            .list_tasks(pb::ListTasksRequest::default())
            .await
            .unwrap();
        tasks.into_inner().tasks.into_iter().find(|task| task.slot == 3)?.node
    };
    let node = crate::group::until("a third task", listed).await;
    let crew = [&mut one, &mut two].into_iter().find(|crew| crew.member.id == node);
    if let Some(crew) = crew {
        let wish = crew.wish().await;
        assert_eq!(
            (wish.tasks.len(), wish.tasks.iter().filter(|t| t.tail.is_none()).count()),
            (2, 1)
        );
    }
    drop(sending);
    manager.shutdown().await;
}

#[tokio::test]
async fn nodes_send_lines_of_their_own_tasks_that_somebody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (mut one, two, mut control) = cluster(&manager).await;
    let _stream = control.logs(of("web", false)).await.unwrap();
    let wish = one.wish().await;
    let sending = one.publish(&wish).await;
    sending.print(&two.task(0), &[(1, "forged")]).await;
    let refused = timeout(PATIENCE, sending.answer).await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let other = pb::LogWish {
        subscription: "another".to_owned(),
        ..wish
    };
    let refused = one.publish(&other).await.end().await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    let refused = control.logs(of("nope", false)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_node_that_goes_missing_goes_on_behind_what_it_has_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut one = Node::begin(&manager, "one").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 1)).await.unwrap();
    one.has(1).await;
    let mut stream = control.logs(of("web", true)).await.unwrap().into_inner();
    let all = one.wish().await;
    let sending = one.publish(&all).await;
    sending.print(&one.task(0), &[(1, "old"), (2, "older")]).await;
    assert_eq!(told(&mut stream, 2).await, ["old", "older"]);
    sending.answer.abort();
    assert_eq!(reasons(&mut stream).await, ["node one is not available"]);
    let going_on = loop {
        let wish = one.wish().await;
        if wish.follow {
            break wish;
        }
    };
    assert_eq!(going_on.tasks[0].after, 2, "nothing twice");
    manager.shutdown().await;
}

#[tokio::test]
async fn a_node_hears_which_of_the_tasks_that_are_followed_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut one = Node::begin(&manager, "one").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 1)).await.unwrap();
    one.has(1).await;
    let mut request = of("web", true);
    request.tail = Some(0);
    let _stream = control.logs(request).await.unwrap().into_inner();
    let wish = one.wish().await;
    assert_eq!(wish.ended, Vec::<String>::new());
    let task = one.task(0);
    one.agent.report(&task, pb::TaskState::Rejected).await;
    let ended = one.wish().await;
    assert_eq!((ended.attempt, ended.ended), (wish.attempt, vec![task]));
    manager.shutdown().await;
}
