//! How far services are, in numbers: what `service ls` shows. Called by the API edge.

use model::{DesiredState, Mode, Service, Task, TaskState};
use store::View;

/// Docker's numbers of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Tasks that run.
    pub running: u32,
    /// Tasks that are to run at the same time: of a replicated service its replicas and canaries, of a replicated job as many as may,
    /// else those that are wanted and, of a job, have not ended well.
    pub desired: u32,
    /// Tasks of a job's present run that have ended well.
    pub completed: u32,
}

/// Counts the tasks of `service`. The cost is that of looking at all of them.
pub fn service_status(view: &View, service: &Service) -> ServiceStatus {
    let run = service.job_status.as_ref().map(|job| job.iteration);
    let mut status = ServiceStatus::default();
    let mut wanted = 0;
    for task in view
        .tasks_of_service(service.id)
        .filter(|task| task.job_iteration == run)
    {
        let state = task.status.state;
        status.running += u32::from(state == TaskState::Running && task.desired <= DesiredState::Complete);
        let done = run.is_some() && state == TaskState::Complete;
        status.completed += u32::from(done);
        wanted += u32::from(!done && counts(task));
    }
    status.desired = match service.spec.mode {
        Mode::Replicated { replicas } => {
            let canaries = service.canary.map_or(0, |canary| canary.tasks(replicas as usize));
            replicas.saturating_add(u32::try_from(canaries).unwrap_or(u32::MAX))
        }
        Mode::ReplicatedJob {
            max_concurrent: 0,
            total_completions,
        } => total_completions,
        Mode::ReplicatedJob { max_concurrent, .. } => max_concurrent,
        Mode::Global | Mode::GlobalJob => wanted,
    };
    status
}

/// Wanted; also one that has ended, as long as nothing is decided about it.
fn counts(task: &Task) -> bool {
    task.desired <= DesiredState::Complete
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{Bed, tasks};
    use model::ServiceId;

    fn status(bed: &Bed, id: ServiceId) -> (u32, u32, u32) {
        let status = service_status(bed.view(), bed.view().service(id).unwrap());
        (status.running, status.desired, status.completed)
    }

    #[test]
    fn each_mode_is_counted_as_docker_counts_it() {
        let mut bed = Bed::with_nodes(3);
        let modes = [
            Mode::Replicated { replicas: 2 },
            Mode::Global,
            Mode::ReplicatedJob {
                max_concurrent: 2,
                total_completions: 5,
            },
            Mode::GlobalJob,
        ];
        let made: Vec<ServiceId> = modes
            .into_iter()
            .enumerate()
            .map(|(n, mode)| bed.service(&format!("s{n}"), |spec| spec.mode = mode).unwrap())
            .collect();
        bed.settle();
        let all = |bed: &Bed| made.iter().map(|id| status(bed, *id)).collect::<Vec<_>>();
        assert_eq!(all(&bed), [(0, 2, 0), (0, 3, 0), (0, 2, 0), (0, 3, 0)]);
        bed.converge();
        assert_eq!(all(&bed), [(2, 2, 0), (3, 3, 0), (2, 2, 0), (3, 3, 0)]);
        for job in &made[2..] {
            let one = tasks(&bed, *job, Task::is_live)[0].id;
            bed.report(one, TaskState::Complete);
        }
        bed.converge();
        assert_eq!(
            all(&bed)[2..],
            [(2, 2, 1), (2, 2, 1)],
            "one more began, one less is left"
        );
    }
}
