//! Which status reports of nodes say something new.

use model::TaskState;
use store::{StatusReport, View};

/// Whether the state would change by a report. Left out are those of tasks that are no more, or another node's, and those
/// that say what is known.
pub fn is_news(view: &View, report: &StatusReport) -> bool {
    let state = report.status.state;
    let decided_by_agents = (TaskState::Accepted..TaskState::Remove).contains(&state);
    let Some(task) = view.task(report.task).filter(|task| task.node == Some(report.node)) else {
        return false;
    };
    let grows = task.status.state <= state;
    #[cfg(feature = "planted")]
    let grows = grows || planted::is(planted::Bug::TaskGoesBack);
    decided_by_agents && grows && task.status != report.status
}
