//! When jobs with a schedule run. All of it follows from when the latest run began and ended, so that any leader decides
//! alike; a run whose time passed while there was no leader begins once when there is one.

use model::{JobStatus, Overlap, Service, Timestamp};
use store::{Command, RunStep};

use crate::draft::Draft;

/// When the next run of a job is to begin; `None`: not before the present one has ended, or never by a schedule.
pub(crate) fn due(service: &Service) -> Option<Timestamp> {
    let (job, schedule) = (service.job_status.as_ref()?, service.spec.schedule.as_ref()?);
    let at_work = job.iteration > 0 && !job.is_over();
    if at_work && schedule.overlap != Overlap::Replace {
        return None;
    }
    schedule.next_after(since(job, schedule.overlap).max(service.updated_at))
}

/// Times up to this one are dealt with.
fn since(job: &JobStatus, overlap: Overlap) -> Timestamp {
    let ended = job.runs.last().map(|run| run.ended_at);
    match overlap {
        Overlap::Skip => ended.map_or(job.last_execution, |at| at.max(job.last_execution)),
        Overlap::Queue | Overlap::Replace => job.last_execution,
    }
}

/// Begins a run whose time has come. True: the service has another run now, by which everything else is to be decided.
pub(super) fn begin(draft: &mut Draft<'_>, service: &Service) -> bool {
    let at = draft.now;
    let next = due(service).filter(|due| *due <= at).and(service.job_status.as_ref());
    if let Some(job) = next {
        draft.decide_service(Command::JobRun {
            id: service.id,
            iteration: job.iteration + 1,
            at,
            step: RunStep::Begin,
        });
    }
    next.is_some()
}

#[cfg(test)]
mod tests;
