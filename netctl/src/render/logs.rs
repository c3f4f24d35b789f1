//! Lines of `service logs` as docker prints them: `web.1.abcdef123456@node1    | line`.

use std::collections::BTreeMap;

use model::Timestamp;
use wire::pb;

use crate::args::LogsArgs;

/// Characters of a task's id, unless it is wanted whole.
const SHORT: usize = 12;

/// How lines are printed, and what is known of their tasks.
pub struct LogLines {
    raw: bool,
    details: bool,
    timestamps: bool,
    resolve: bool,
    task_ids: bool,
    truncate: bool,
    /// Digits of the highest slot.
    width: usize,
    origins: BTreeMap<String, pb::LogOrigin>,
}

impl LogLines {
    /// As the flags say; `width`: digits of the highest slot.
    pub fn new(args: &LogsArgs, width: usize) -> Self {
        Self {
            raw: args.raw,
            details: args.details,
            timestamps: args.timestamps,
            resolve: !args.no_resolve,
            task_ids: !args.no_task_ids,
            truncate: !args.no_trunc,
            width,
            origins: BTreeMap::new(),
        }
    }

    /// Whose lines may follow.
    pub fn expect(&mut self, origin: pb::LogOrigin) {
        self.origins.insert(origin.task.clone(), origin);
    }

    /// The lines in their order; those for one stream that follow each other in one piece. True: for standard error.
    pub fn render(&self, lines: &[pb::LogLine]) -> Vec<(bool, Vec<u8>)> {
        let mut pieces: Vec<(bool, Vec<u8>)> = Vec::new();
        for line in lines {
            let err = line.stream() == pb::LogStream::Stderr;
            if pieces.last().is_none_or(|(last, _)| *last != err) {
                pieces.push((err, Vec::new()));
            }
            if let Some((_, piece)) = pieces.last_mut() {
                self.line(line, piece);
            }
        }
        pieces
    }

    fn line(&self, line: &pb::LogLine, to: &mut Vec<u8>) {
        let mut head = String::new();
        if self.timestamps {
            head.push_str(&format!("{} ", Timestamp(line.at)));
        }
        match (self.raw, self.details) {
            (true, false) => {}
            (true, true) => head.push_str(&format!("{} ", self.context(line))),
            (false, false) => head.push_str(&format!("{}    | ", self.origin(&line.task))),
            (false, true) => head.push_str(&format!("{}    | {} ", self.origin(&line.task), decoded(&line.details))),
        }
        to.extend_from_slice(head.as_bytes());
        to.extend_from_slice(&line.text);
        to.push(b'\n');
    }

    fn origin(&self, task: &str) -> String {
        let Some(origin) = self.origins.get(task) else {
            return task.to_owned();
        };
        let slot = origin.name.rsplit('.').next().unwrap_or_default();
        let mut name = match self.resolve {
            true => origin.name.clone(),
            false => format!("{}.{slot}", origin.service),
        };
        if self.task_ids {
            let shown = if self.truncate {
                task.get(..SHORT).unwrap_or(task)
            } else {
                task
            };
            name.push_str(&format!(".{shown}"));
        }
        let node = if self.resolve { &origin.hostname } else { &origin.node };
        let padding = self.width.saturating_sub(slot.len());
        format!("{name}@{node}{:padding$}", "")
    }

    /// What docker puts before raw lines when details are wanted.
    fn context(&self, line: &pb::LogLine) -> String {
        let origin = self.origins.get(&line.task).cloned().unwrap_or_default();
        let ids = format!(
            "com.docker.swarm.node.id={},com.docker.swarm.service.id={},com.docker.swarm.task.id={}",
            origin.node, origin.service, line.task
        );
        match line.details.as_str() {
            "" => ids,
            details => format!("{ids},{details}"),
        }
    }
}

/// `key=value,...` as the engine encodes it, in plain text.
fn decoded(details: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = details.bytes();
    while let Some(byte) = rest.next() {
        let hex = |text: &[u8]| u8::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.extend(hex(&digits));
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::args::{Cli, Command, ServiceCommand};

    const TASK: &str = "abcdef1234567890000000000";

    fn printed(flags: &str, lines: &[pb::LogLine]) -> Vec<(bool, String)> {
        let typed = format!("netctl service logs {flags} web");
        let cli = Cli::read(typed.split_whitespace()).unwrap();
        let Command::Service(ServiceCommand::Logs(args)) = cli.command else {
            panic!("it is service logs");
        };
        let mut all = LogLines::new(&args, 2);
        all.expect(pb::LogOrigin {
            task: TASK.into(),
            name: "web.1".into(),
            service: "svc".into(),
            node: "nod".into(),
            hostname: "node1".into(),
        });
        let text = |(err, bytes)| (err, String::from_utf8(bytes).unwrap());
        all.render(lines).into_iter().map(text).collect()
    }

    fn line(stream: pb::LogStream, text: &str) -> pb::LogLine {
        pb::LogLine {
            task: TASK.into(),
            at: 7,
            stream: stream.into(),
            text: text.into(),
            details: "OS=linux,tier=a+b%2Cc".into(),
        }
    }

    fn one(flags: &str) -> String {
        printed(flags, &[line(pb::LogStream::Stdout, "hello")]).remove(0).1
    }

    #[test]
    fn a_line_begins_with_whose_it_is() {
        assert_eq!(one(""), "web.1.abcdef123456@node1     | hello\n");
        assert_eq!(one("--no-trunc"), format!("web.1.{TASK}@node1     | hello\n"));
        assert_eq!(one("--no-task-ids"), "web.1@node1     | hello\n");
        assert_eq!(one("--no-resolve"), "svc.1.abcdef123456@nod     | hello\n");
        assert_eq!(
            one("-t"),
            "1970-01-01T00:00:00.000000007Z web.1.abcdef123456@node1     | hello\n"
        );
        assert_eq!(
            one("--details"),
            "web.1.abcdef123456@node1     | OS=linux,tier=a b,c hello\n"
        );
    }

    #[test]
    fn raw_lines_are_as_they_were_printed() {
        assert_eq!(one("--raw"), "hello\n");
        assert_eq!(one("--raw -t"), "1970-01-01T00:00:00.000000007Z hello\n");
        assert_eq!(
            one("--raw --details"),
            format!(
                "com.docker.swarm.node.id=nod,com.docker.swarm.service.id=svc,com.docker.swarm.task.id={TASK},\
                 OS=linux,tier=a+b%2Cc hello\n"
            )
        );
    }

    #[test]
    fn standard_error_goes_to_standard_error_in_order() {
        let lines = [
            line(pb::LogStream::Stdout, "1"),
            line(pb::LogStream::Stdout, "2"),
            line(pb::LogStream::Stderr, "3"),
            line(pb::LogStream::Stdout, "4"),
        ];
        let told = |err, text: &str| (err, text.to_owned());
        assert_eq!(
            printed("--raw", &lines),
            [told(false, "1\n2\n"), told(true, "3\n"), told(false, "4\n")]
        );
    }
}
