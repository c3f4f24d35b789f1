//! Tasks and how they are.

use std::sync::Arc;

use model::{NameKind, Setback, Task, TaskStatus, Timestamp};

use crate::{
    WireError, pb,
    scalar::{choice, labels, list, message, name, narrow, parse, parse_optional, times, to_labels, to_list, words},
};

/// Bytes of a container's id; engines give 64.
const MAX_CONTAINER_ID: usize = 256;

impl From<TaskStatus> for pb::TaskStatus {
    fn from(status: TaskStatus) -> Self {
        Self {
            state: pb::TaskState::from(status.state).into(),
            at: status.at.0,
            message: words(status.message),
            err: words(status.err),
            container: status.container,
            exit_code: status.exit_code,
            engine_restarted: status.engine_restarted,
            not_ready: status.not_ready,
        }
    }
}

impl TryFrom<pb::TaskStatus> for TaskStatus {
    type Error = WireError;
    fn try_from(status: pb::TaskStatus) -> Result<Self, WireError> {
        Ok(Self {
            state: choice::<pb::TaskState, _>("state", status.state)?,
            at: Timestamp(status.at),
            message: words(status.message),
            err: words(status.err),
            container: status.container.map(container_id).transpose()?,
            exit_code: status.exit_code,
            engine_restarted: status.engine_restarted,
            not_ready: status.not_ready,
        })
    }
}

fn container_id(id: String) -> Result<String, WireError> {
    if id.len() > MAX_CONTAINER_ID {
        let words = format_args!("{} bytes are no container's id: at most {MAX_CONTAINER_ID}", id.len());
        return Err(WireError::new("container", words));
    }
    Ok(id)
}

impl From<Setback> for pb::Setback {
    fn from(setback: Setback) -> Self {
        Self {
            node: setback.node.to_string(),
            at: setback.at.0,
            at_once: setback.at_once,
        }
    }
}

impl TryFrom<pb::Setback> for Setback {
    type Error = WireError;
    fn try_from(setback: pb::Setback) -> Result<Self, WireError> {
        Ok(Self {
            node: parse("node", &setback.node)?,
            at: Timestamp(setback.at),
            at_once: setback.at_once,
        })
    }
}

impl From<Task> for pb::Task {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.to_string(),
            version: task.version,
            created_at: task.created_at.0,
            updated_at: task.updated_at.0,
            service: task.service.to_string(),
            service_name: task.service_name.into(),
            slot: task.slot.get(),
            spec_version: task.spec_version,
            container: Some(Arc::unwrap_or_clone(task.container).into()),
            node: task.node.map(|node| node.to_string()),
            attachments: to_list(task.attachments),
            desired: pb::DesiredState::from(task.desired).into(),
            not_before: task.not_before.map(|at| at.0),
            status: Some(task.status.into()),
            pinned: task.pinned.map(|node| node.to_string()),
            job_iteration: task.job_iteration,
            generic_resources: to_list(task.generic_resources),
            host_ports: to_list(task.host_ports),
            setbacks: to_list(task.setbacks),
            service_labels: to_labels(Arc::unwrap_or_clone(task.service_labels)),
            running_since: task.running_since.map(|at| at.0),
        }
    }
}

impl TryFrom<pb::Task> for Task {
    type Error = WireError;
    fn try_from(task: pb::Task) -> Result<Self, WireError> {
        let (created_at, updated_at) = times(task.created_at, task.updated_at);
        Ok(Self {
            id: parse("id", &task.id)?,
            version: task.version,
            created_at,
            updated_at,
            service: parse("service", &task.service)?,
            service_name: name("service_name", NameKind::Service, &task.service_name)?,
            slot: narrow("slot", task.slot)?,
            spec_version: task.spec_version,
            container: Arc::new(message("container", task.container)?),
            node: parse_optional("node", task.node.as_deref())?,
            attachments: list("attachments", task.attachments)?,
            desired: choice::<pb::DesiredState, _>("desired", task.desired)?,
            not_before: task.not_before.map(Timestamp),
            status: message("status", task.status)?,
            pinned: parse_optional("pinned", task.pinned.as_deref())?,
            job_iteration: task.job_iteration,
            generic_resources: list("generic_resources", task.generic_resources)?,
            host_ports: list("host_ports", task.host_ports)?,
            setbacks: list("setbacks", task.setbacks)?,
            service_labels: Arc::new(labels("service_labels", task.service_labels)?),
            running_since: task.running_since.map(Timestamp),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_of_a_task_is_kept_up_to_a_limit() {
        let long = "x".repeat(1 << 20);
        let mut status = pb::TaskStatus {
            state: pb::TaskState::Failed.into(),
            message: long.clone(),
            err: long.clone(),
            ..pb::TaskStatus::default()
        };
        let kept = TaskStatus::try_from(status.clone()).unwrap();
        assert!(kept.message.len() + kept.err.len() < 8192, "{}", kept.err.len());
        status.container = Some(long);
        assert_eq!(TaskStatus::try_from(status).unwrap_err().field, "container");
    }
}
