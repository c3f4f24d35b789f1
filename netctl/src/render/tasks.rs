//! Rows of `service ps` and `node ps`: each slot's tasks, wanted ones first, then newest first, older ones as its history.

use std::collections::BTreeMap;

use model::{Canary, DesiredState, NodeId, ServiceId, Task, TaskState, Timestamp};
use serde_json::json;

use super::{
    natural::natural,
    port,
    table::{Listing, Row},
    time::words,
};

/// Longest error that the table shows, characters.
const ERROR_WIDTH: usize = 30;

/// How tasks are shown.
pub struct TaskRows<'a> {
    /// Host names.
    pub nodes: &'a BTreeMap<NodeId, String>,
    /// Services with a canary.
    pub canaries: &'a BTreeMap<ServiceId, Canary>,
    /// Now, for "2 seconds ago".
    pub now: Timestamp,
    /// Whole ids and errors.
    pub no_trunc: bool,
    /// Ids instead of names.
    pub no_resolve: bool,
}

impl TaskRows<'_> {
    /// The list; tasks are sorted here.
    pub fn listing(&self, mut tasks: Vec<Task>) -> Listing {
        tasks.sort_by(|a, b| {
            let slot = |t: &Task| (t.service, t.slot, !self.is_canary(t));
            let gone = |t: &Task| t.desired >= DesiredState::Shutdown;
            natural(a.service_name.as_str(), b.service_name.as_str())
                .then(slot(a).cmp(&slot(b)))
                .then(gone(a).cmp(&gone(b)))
                .then(b.created_at.cmp(&a.created_at))
                .then(b.id.cmp(&a.id))
        });
        let mut previous = None;
        let rows = tasks.iter().map(|task| {
            let slot = Some((task.service, task.slot, self.is_canary(task)));
            let history = std::mem::replace(&mut previous, slot) == slot;
            self.row(task, history)
        });
        Listing {
            headers: &[
                "ID",
                "NAME",
                "IMAGE",
                "NODE",
                "DESIRED STATE",
                "CURRENT STATE",
                "ERROR",
                "PORTS",
            ],
            rows: rows.collect(),
        }
    }

    fn is_canary(&self, task: &Task) -> bool {
        let canary = self.canaries.get(&task.service);
        canary.is_some_and(|canary| canary.covers(task.spec_version))
    }

    fn row(&self, task: &Task, history: bool) -> Row {
        let id = match self.no_trunc {
            true => task.id.to_string(),
            false => task.id.short(),
        };
        let name = match (self.no_resolve, history) {
            (true, _) => format!("{}.{}", task.service, task.slot),
            (false, true) => format!(" \\_ {}", task.name()),
            (false, false) => task.name(),
        };
        let node = self.node(task);
        let ago = words(self.now.since(task.status.at)).to_lowercase();
        let current = format!("{} {ago} ago", task.status.state);
        let error = self.error(&task.status.err);
        let (image, desired) = (task.container.image.as_str(), task.desired.word());
        let ports = host_ports(task);
        let canary = if self.is_canary(task) { " (canary)" } else { "" };
        let cells = [
            &id,
            &format!("{name}{canary}"),
            image,
            &node,
            desired,
            &current,
            &error,
            &ports,
        ];
        Row {
            cells: cells.map(str::to_owned).to_vec(),
            fields: vec![
                ("ID", json!(id)),
                ("Name", json!(name.trim_start_matches(" \\_ "))),
                ("Image", json!(image)),
                ("Node", json!(node)),
                ("DesiredState", json!(desired)),
                ("CurrentState", json!(current)),
                ("Error", json!(error)),
                ("Ports", json!(ports)),
            ],
        }
    }

    fn node(&self, task: &Task) -> String {
        let Some(node) = task.node else {
            return String::new();
        };
        let name = self.nodes.get(&node).filter(|_| !self.no_resolve);
        name.cloned().unwrap_or_else(|| node.to_string())
    }

    fn error(&self, text: &str) -> String {
        let text = text.replace('\n', " ");
        match text.chars().count() {
            0 => String::new(),
            length if self.no_trunc || length <= ERROR_WIDTH => format!("\"{text}\""),
            _ => format!("\"{}…\"", text.chars().take(ERROR_WIDTH - 1).collect::<String>()),
        }
    }
}

/// Ports of the task's host, while something answers there.
fn host_ports(task: &Task) -> String {
    match task.status.state {
        TaskState::Running => port::host(&task.host_ports),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{SECOND, task};

    #[test]
    fn older_tasks_of_a_slot_are_its_history() {
        let mut failed = task(1, 1, 0, TaskState::Failed, DesiredState::Shutdown);
        failed.status.err = "task: non-zero exit (137) and more".into();
        let tasks = vec![
            failed,
            task(3, 2, 0, TaskState::Running, DesiredState::Running),
            task(2, 1, 7 * SECOND, TaskState::Running, DesiredState::Running),
        ];
        let nodes = BTreeMap::from([(NodeId::from_bits(1), "n1".to_owned())]);
        let rows = TaskRows {
            nodes: &nodes,
            canaries: &BTreeMap::new(),
            now: Timestamp(9 * SECOND),
            no_trunc: false,
            no_resolve: false,
        };
        let text = rows.listing(tasks).render(None, false).unwrap();
        let expected = [
            "ID             NAME        IMAGE     NODE      DESIRED STATE   CURRENT STATE           ERROR                              PORTS",
            "00000000018k   web.1       web:1     n1        Running         Running 2 seconds ago                                      ",
            "00000000010a    \\_ web.1   web:1     n1        Shutdown        Failed 9 seconds ago    \"task: non-zero exit (137) and…\"   ",
            "00000000020u   web.2       web:1     n1        Running         Running 9 seconds ago                                      ",
        ];
        let shape = |line: &str| line.chars().skip(12).collect::<String>();
        let lines: Vec<_> = text.lines().map(shape).collect();
        assert_eq!(lines, expected.map(shape));
    }

    #[test]
    fn ports_of_the_host_are_shown_while_a_task_runs() {
        let ports = |state| {
            let mut task = task(1, 1, 0, state, DesiredState::Running);
            task.host_ports = crate::render::sample::service().ports;
            let rows = TaskRows {
                nodes: &BTreeMap::new(),
                canaries: &BTreeMap::new(),
                now: Timestamp(0),
                no_trunc: false,
                no_resolve: false,
            };
            rows.listing(vec![task]).render(Some("{{.Ports}}"), false).unwrap()
        };
        assert_eq!(ports(TaskState::Running), "*:8080->80/tcp\n");
        assert_eq!(ports(TaskState::Failed), "\n");
    }

    #[test]
    fn a_canary_is_named_and_the_other_task_of_its_slot_is_no_history() {
        let canary = Canary::new(model::Ratio::new(100_000).unwrap(), 2).unwrap();
        let mut new = task(2, 1, 7 * SECOND, TaskState::Running, DesiredState::Running);
        new.spec_version = 2;
        let tasks = vec![task(1, 1, 0, TaskState::Running, DesiredState::Running), new];
        let rows = TaskRows {
            nodes: &BTreeMap::new(),
            canaries: &BTreeMap::from([(ServiceId::from_bits(2), canary)]),
            now: Timestamp(9 * SECOND),
            no_trunc: false,
            no_resolve: false,
        };
        let listing = rows.listing(tasks);
        let names: Vec<_> = listing.rows.iter().map(|row| row.cells[1].as_str()).collect();
        assert_eq!(names, ["web.1 (canary)", "web.1"]);
        assert_eq!(listing.rows[0].fields[1].1, json!("web.1"));
    }
}
