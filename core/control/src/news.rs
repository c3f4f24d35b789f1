//! Which status reports of nodes say something new.

use model::TaskState;
use store::{StatusReport, View};

/// Whether the state would change by a report. Left out are those of tasks that are no more, or another node's, and those
/// that say what is known.
pub fn is_news(view: &View, report: &StatusReport) -> bool {
    let decided_by_agents = (TaskState::Accepted..TaskState::Remove).contains(&report.status.state);
    decided_by_agents
        && view.task(report.task).is_some_and(|task| {
            task.node == Some(report.node) && task.status.state <= report.status.state && task.status != report.status
        })
}
