//! `service logs`

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};
use tonic::{Code, Status};
use wire::pb;

use super::{fetch, service::now};
use crate::{
    args::LogsArgs,
    client::Client,
    failure::Failure,
    render::LogLines,
    request::moment,
    terminal::{complain, put},
};

/// A change of leader takes about that long at most; after that a manager that cannot be asked is a failure.
const RECONNECT: Duration = Duration::from_secs(10);
/// Between attempts.
const AGAIN: Duration = Duration::from_millis(300);

/// Prints what a service or a task has printed.
pub async fn logs(client: &mut Client, args: &LogsArgs) -> Result<(), Failure> {
    let since = args.since.as_deref().map(|text| moment("--since", text, now()));
    let request = pb::LogsRequest {
        follow: args.follow,
        tail: tail(&args.tail)?,
        since: since.transpose()?.map_or(0, |since| since.0),
        details: args.details,
        ..pb::LogsRequest::default()
    };
    let (request, width) = target(client, &args.name, request).await?;
    let reader = Reader {
        follow: args.follow,
        seen: BTreeMap::new(),
        lines: LogLines::new(args, width),
        missing: Vec::new(),
    };
    reader.read(client, request).await
}

/// The service, or else the task, of that name; and how many digits its slots have.
async fn target(
    client: &mut Client,
    name: &str,
    mut request: pb::LogsRequest,
) -> Result<(pb::LogsRequest, usize), Failure> {
    match fetch::service(client, name).await {
        Ok(service) => {
            let tasks = fetch::tasks_of_service(client, name).await?;
            let highest = tasks.iter().map(|task| task.slot.get()).max().unwrap_or(1);
            request.services = vec![service.id.to_string()];
            Ok((request, highest.to_string().len()))
        }
        Err(Failure::Missing { .. }) => match fetch::task(client, name).await {
            Ok(task) => {
                request.tasks = vec![task.id.to_string()];
                Ok((request, 1))
            }
            Err(Failure::Missing { .. }) => Err(Failure::Wrong(format!("no such task or service: {name}"))),
            Err(other) => Err(other),
        },
        Err(other) => Err(other),
    }
}

fn tail(text: &str) -> Result<Option<u64>, Failure> {
    match text {
        "all" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| {
            Failure::Wrong(format!(
                "invalid argument \"{text}\" for \"-n, --tail\" flag: use a number of lines or \"all\""
            ))
        }),
    }
}

/// Reads, goes on behind what was read when the managers have another leader, and prints.
struct Reader {
    follow: bool,
    /// Time of the last line of each task.
    seen: BTreeMap<String, i64>,
    lines: LogLines,
    /// Why some lines are missing.
    missing: Vec<String>,
}

/// How one call ended.
enum Ended {
    /// All is told, or nobody reads what is printed.
    Done,
    Broken(Status),
}

impl Reader {
    async fn read(mut self, client: &mut Client, mut request: pb::LogsRequest) -> Result<(), Failure> {
        let mut heard = Instant::now();
        loop {
            request.seen = self.positions();
            match self.once(client, request.clone(), &mut heard).await {
                Ended::Done => break,
                Ended::Broken(why) if why.code() == Code::Unavailable && heard.elapsed() < RECONNECT => {
                    sleep(AGAIN).await;
                }
                Ended::Broken(why) => return Err(why.into()),
            }
        }
        match self.missing.is_empty() {
            true => Ok(()),
            false => Err(Failure::Wrong(format!(
                "warning: incomplete log stream. some logs could not be retrieved for the following reasons: {}",
                self.missing.join(", ")
            ))),
        }
    }

    fn positions(&self) -> Vec<pb::LogPosition> {
        let position = |(task, after): (&String, &i64)| pb::LogPosition {
            task: task.clone(),
            after: *after,
            tail: None,
        };
        self.seen.iter().map(position).collect()
    }

    async fn once(&mut self, client: &mut Client, request: pb::LogsRequest, heard: &mut Instant) -> Ended {
        let began = Instant::now();
        let mut stream = match client.control.logs(request).await {
            Ok(answer) => answer.into_inner(),
            Err(why) => return Ended::Broken(why),
        };
        loop {
            match stream.message().await {
                Ok(Some(response)) => {
                    *heard = Instant::now();
                    if !self.take(response) {
                        return Ended::Done;
                    }
                }
                Ok(None) => return Ended::Done,
                Err(why) => {
                    // It was silent, not out of reach.
                    if began.elapsed() > AGAIN {
                        *heard = Instant::now();
                    }
                    return Ended::Broken(why);
                }
            }
        }
    }

    /// Prints a response. False: nobody reads it.
    fn take(&mut self, response: pb::LogsResponse) -> bool {
        response
            .origins
            .into_iter()
            .for_each(|origin| self.lines.expect(origin));
        for line in &response.lines {
            let seen = self.seen.entry(line.task.clone()).or_insert(line.at);
            *seen = line.at.max(*seen);
        }
        for note in response.notes {
            match (self.follow, note.over) {
                (true, false) => complain(&format!("warning: incomplete log stream: {}", note.reason)),
                (true, true) => complain(&note.reason),
                (false, _) => self.missing.push(note.reason),
            }
        }
        let printed = self.lines.render(&response.lines);
        printed.iter().all(|(err, bytes)| put(bytes, *err))
    }
}
