//! Tasks, as users look at them.

use std::collections::BTreeMap;

use control::{find_service, find_task};
use model::{Task, TaskId};
use store::Refused;
use tonic::Status;
use wire::pb;

use super::{Api, refusal};

impl Api {
    /// The tasks of any of the given services or nodes and the given tasks, each once; all if nothing is given. In the
    /// order of service name, slot, newest first.
    pub(super) async fn list_tasks(&self, request: pb::ListTasksRequest) -> Result<pb::ListTasksResponse, Status> {
        let view = self.read().await?;
        let mut tasks: BTreeMap<TaskId, Task> = BTreeMap::new();
        let mut add = |task: &Task| {
            tasks.insert(task.id, task.clone());
        };
        let refused = |why: Refused| refusal::refused(&why);
        if request.services.is_empty() && request.nodes.is_empty() && request.refs.is_empty() {
            view.tasks().for_each(&mut add);
        }
        for what in &request.services {
            let service = find_service(&view, what).map_err(refused)?.id;
            view.tasks_of_service(service).for_each(&mut add);
        }
        for what in &request.nodes {
            let node = self.find_node(&view, what).map_err(refused)?.id;
            view.tasks_on_node(node).for_each(&mut add);
        }
        for what in &request.refs {
            add(find_task(&view, what).map_err(refused)?);
        }
        let mut tasks: Vec<Task> = tasks.into_values().collect();
        tasks.sort_by(|a, b| (&a.service_name, a.slot, b.created_at).cmp(&(&b.service_name, b.slot, a.created_at)));
        Ok(pb::ListTasksResponse {
            tasks: tasks.into_iter().map(Into::into).collect(),
        })
    }
}
