//! `netctl events`

use model::Timestamp;
use tokio::time::{Duration, sleep};
use tonic::Code;
use wire::pb;

use super::service::now;
use crate::{
    args::EventsArgs,
    client::Client,
    failure::Failure,
    render::{Event, Format},
    request::{Filter, moment},
    terminal::put,
};

/// Keys of `--filter`.
const KEYS: [&str; 8] = [
    "type", "event", "service", "node", "network", "task", "secret", "config",
];

/// Prints what changes, and what has changed since a time or an index.
pub async fn events(client: &mut Client, args: &EventsArgs) -> Result<(), Failure> {
    let filter = Filter::parse(&args.filter, &KEYS)?;
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let until = args
        .until
        .as_deref()
        .map(|text| moment("--until", text, now()))
        .transpose()?;
    let request = since(args.since.as_deref())?;
    let mut stream = client
        .control
        .watch(request)
        .await
        .map_err(|why| refused(&why, args))?
        .into_inner();
    loop {
        let next = tokio::select! {
            next = stream.message() => next.map_err(|why| refused(&why, args))?,
            () = reached(until) => return Ok(()),
        };
        let Some(response) = next else { return Ok(()) };
        for change in response.changes {
            let event = Event::new(response.index, change);
            if until.is_some_and(|until| event.at() > until) {
                return Ok(());
            }
            if !filter.passes(|key, value| event.fits(key, value)) {
                continue;
            }
            let line = match &format {
                Format::Table => event.line(),
                Format::Json | Format::JsonEach => event.json().to_string(),
                Format::Template(template) | Format::TableOf(template) => template.fill(&event.json())?,
            };
            if !put(format!("{line}\n").as_bytes(), false) {
                return Ok(());
            }
        }
    }
}

fn since(text: Option<&str>) -> Result<pb::WatchRequest, Failure> {
    let Some(text) = text else {
        return Ok(pb::WatchRequest::default());
    };
    let Some(index) = text.strip_prefix("index=") else {
        return Ok(pb::WatchRequest {
            since: Some(moment("--since", text, now())?.0),
            ..pb::WatchRequest::default()
        });
    };
    let index = index.parse().ok().filter(|index| *index > 0);
    Ok(pb::WatchRequest {
        from_index: index.ok_or_else(|| {
            Failure::Wrong(format!(
                "invalid argument \"{text}\" for \"--since\" flag: use index=N with N from 1 on"
            ))
        })?,
        ..pb::WatchRequest::default()
    })
}

/// When that time has come, and what happened before it has been told.
async fn reached(until: Option<Timestamp>) {
    const GRACE: Duration = Duration::from_millis(500);
    match until {
        Some(until) => sleep(until.since(now()) + GRACE).await,
        None => std::future::pending().await,
    }
}

/// What is forgotten is said plainly, with what is not.
fn refused(why: &tonic::Status, args: &EventsArgs) -> Failure {
    let oldest = oldest(why.message()).filter(|_| why.code() == Code::OutOfRange);
    match (oldest, &args.since) {
        (Some(oldest), Some(since)) => Failure::Daemon(format!(
            "events since {since} are compacted: --since index={oldest} begins with the oldest that are known"
        )),
        (Some(oldest), None) => Failure::Daemon(format!(
            "events came faster than they were read, and are compacted: --since index={oldest} begins with the oldest that are known"
        )),
        (None, _) => why.clone().into(),
    }
}

/// "changes before index N are compacted: ..."
fn oldest(words: &str) -> Option<u64> {
    words
        .strip_prefix("changes before index ")?
        .split(' ')
        .next()?
        .parse()
        .ok()
}
