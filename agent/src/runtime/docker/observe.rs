//! Reads how our containers are, and which ports of the host others publish.

use std::collections::HashMap;

use bollard::{
    models::{
        ContainerState as EngineState, ContainerStateStatusEnum as Status, ContainerSummary,
        ContainerSummaryStateEnum as SummaryState, Health, HealthStatusEnum, PortSummary, PortSummaryTypeEnum,
    },
    query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder},
};
use model::{HeldPort, Protocol};
use plan::container::{Container, ContainerState, TASK_LABEL};

use super::{DockerRuntime, Listed, RuntimeError, ask::tail};

/// Characters of a health check's output that are kept, its last ones.
const OUTPUT: usize = 200;

impl DockerRuntime {
    pub(super) async fn list_ours(&self) -> Result<Vec<Listed>, RuntimeError> {
        let filters = HashMap::from([("label", vec![TASK_LABEL])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let summaries = self.docker().await?.list_containers(Some(options)).await;
        let mut listed = Vec::new();
        for summary in summaries.map_err(|e| self.fault(e))? {
            if let Some(found) = self.listed(summary).await? {
                listed.push(found);
            }
        }
        // Only what is kept needs to be remembered; what runs is looked at each time.
        let exited = |listed: &&Listed| matches!(listed.container.state, ContainerState::Exited { .. });
        let ended = listed.iter().filter(exited).map(|listed| &listed.container);
        *self.ended() = ended.map(|c| (c.id.clone(), c.state.clone())).collect();
        Ok(listed)
    }

    /// `None`: gone in the meantime, or its label holds no task id.
    async fn listed(&self, summary: ContainerSummary) -> Result<Option<Listed>, RuntimeError> {
        let task = summary.labels.as_ref().and_then(|l| l.get(TASK_LABEL)?.parse().ok());
        let (Some(task), Some(id)) = (task, summary.id.clone()) else {
            return Ok(None);
        };
        let known = match summary.state {
            Some(SummaryState::EXITED) => self.ended().get(&id).cloned(),
            _ => None,
        };
        let state = match known {
            Some(state) => state,
            None => match self.inspect_state(&id).await {
                Ok(state) => state,
                Err(RuntimeError::NotFound(_)) => return Ok(None),
                Err(error) if error.is_about_the_engine() => return Err(error),
                Err(error) => {
                    tracing::warn!(container = %id, %error, "a container cannot be inspected");
                    as_listed(&summary, error.to_string())
                }
            },
        };
        let container = Container { id, state };
        Ok(Some(Listed { task, container }))
    }

    pub(super) async fn inspect_state(&self, container: &str) -> Result<ContainerState, RuntimeError> {
        let inspected = self
            .docker()
            .await?
            .inspect_container(container, None::<InspectContainerOptions>)
            .await;
        let state = inspected.map_err(|e| self.fault(e))?.state.unwrap_or_default();
        Ok(state_of(state))
    }

    pub(super) async fn list_published(&self) -> Result<Vec<HeldPort>, RuntimeError> {
        let summaries = self
            .docker()
            .await?
            .list_containers(None::<bollard::query_parameters::ListContainersOptions>)
            .await;
        let summaries = summaries.map_err(|e| self.fault(e))?;
        let mut held: Vec<_> = summaries.iter().flat_map(published).collect();
        held.sort();
        held.dedup();
        Ok(held)
    }
}

/// How a container is that the engine lists and cannot inspect, which is no reason to know nothing of all others.
fn as_listed(summary: &ContainerSummary, error: String) -> ContainerState {
    let words = summary.status.as_deref().unwrap_or_default();
    match summary.state {
        Some(SummaryState::CREATED) => ContainerState::Created,
        Some(SummaryState::RUNNING | SummaryState::PAUSED | SummaryState::RESTARTING) => {
            if words.ends_with("(health: starting)") {
                ContainerState::Starting
            } else if words.ends_with("(unhealthy)") {
                ContainerState::Unhealthy { last: String::new() }
            } else {
                ContainerState::Running
            }
        }
        _ => ContainerState::Exited { code: -1, error },
    }
}

fn state_of(state: EngineState) -> ContainerState {
    match state.status {
        Some(Status::CREATED) => ContainerState::Created,
        Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING) => running(state.health),
        _ => ContainerState::Exited {
            code: state.exit_code.unwrap_or_default(),
            error: state.error.unwrap_or_default(),
        },
    }
}

fn running(health: Option<Health>) -> ContainerState {
    let health = health.unwrap_or_default();
    match health.status {
        Some(HealthStatusEnum::STARTING) => ContainerState::Starting,
        Some(HealthStatusEnum::UNHEALTHY) => {
            let last = health.log.and_then(|log| log.into_iter().next_back()?.output);
            let last = tail(last.unwrap_or_default().trim(), OUTPUT);
            ContainerState::Unhealthy { last }
        }
        _ => ContainerState::Running,
    }
}

fn published(summary: &ContainerSummary) -> Vec<HeldPort> {
    let name = summary.names.as_ref().and_then(|names| names.first());
    let name = name.map_or("?", |n| n.trim_start_matches('/'));
    let held = |port: &PortSummary| {
        Some(HeldPort {
            port: port.public_port.filter(|p| *p > 0)?,
            protocol: match port.typ {
                Some(PortSummaryTypeEnum::TCP) => Protocol::Tcp,
                Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
                _ => return None,
            },
            holder: format!("container {name}"),
        })
    };
    summary.ports.iter().flatten().filter_map(held).collect()
}

#[cfg(test)]
mod tests {
    use bollard::models::HealthcheckResult;

    use super::*;
    use crate::runtime::docker::stub::Stub;

    #[tokio::test]
    async fn a_container_that_cannot_be_inspected_hides_no_other() {
        let listed = |id: u128, state: &str, status: &str| {
            let task = model::TaskId::from_bits(id);
            format!(r#"{{"Id":"c{id}","State":"{state}","Status":"{status}","Labels":{{"{TASK_LABEL}":"{task}"}}}}"#)
        };
        let list = [
            listed(1, "exited", "Exited (0)"),
            listed(2, "running", "Up 2 hours (unhealthy)"),
            listed(3, "running", "Up 2 hours"),
        ];
        let list = format!("[{}]", list.join(","));
        let stub = Stub::answering(move |path| match path {
            "/containers/json" => (200, list.clone()),
            "/containers/c3/json" => (200, r#"{"State":{"Status":"running"}}"#.to_owned()),
            _ => (500, r#"{"message":"layer does not exist"}"#.to_owned()),
        });
        let found = DockerRuntime::new(&stub.host).list_ours().await.unwrap();
        let states = found.into_iter().map(|listed| listed.container.state);
        let error = "layer does not exist".to_owned();
        assert_eq!(
            Vec::from_iter(states),
            [
                ContainerState::Exited { code: -1, error },
                ContainerState::Unhealthy { last: String::new() },
                ContainerState::Running,
            ]
        );
    }

    #[test]
    fn a_health_check_decides_how_a_running_container_is() {
        let with = |status| {
            let log = HealthcheckResult {
                output: Some(" no route\n".to_owned()),
                ..HealthcheckResult::default()
            };
            state_of(EngineState {
                status: Some(Status::RUNNING),
                health: Some(Health {
                    status: Some(status),
                    log: Some(vec![log]),
                    ..Health::default()
                }),
                ..EngineState::default()
            })
        };
        assert_eq!(with(HealthStatusEnum::STARTING), ContainerState::Starting);
        assert_eq!(with(HealthStatusEnum::HEALTHY), ContainerState::Running);
        assert_eq!(with(HealthStatusEnum::NONE), ContainerState::Running);
        let last = "no route".to_owned();
        assert_eq!(with(HealthStatusEnum::UNHEALTHY), ContainerState::Unhealthy { last });
    }
}
