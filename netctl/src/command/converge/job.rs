//! What there is to wait for of a job: its present run, if it has one.

use model::{RunOutcome, Service};

use crate::failure::Failure;

/// When a job runs next that has not begun a run since it was made or changed: by its schedule, and nobody waits that long.
pub fn due(service: &Service) -> Option<String> {
    let (job, schedule) = (service.job_status.as_ref()?, service.spec.schedule.as_ref()?);
    if job.iteration > 0 && job.last_execution >= service.updated_at {
        return None;
    }
    let next = schedule.next_after(service.updated_at);
    let at = next.map_or("no time".to_owned(), |at| at.to_string().replace(".000000000", ""));
    let (name, cron, zone) = (&service.spec.name, &schedule.cron, &schedule.zone);
    Some(format!(
        "schedule: the next run of job {name} is due at {at} ({cron}, {zone})"
    ))
}

/// A run that has ended without all of its tasks having ended well: nothing more comes of it.
pub fn failed(service: &Service) -> Option<Failure> {
    let job = service.job_status.as_ref().filter(|job| job.is_over())?;
    let outcome = job.runs.last().map(|run| run.outcome);
    let name = &service.spec.name;
    (outcome == Some(RunOutcome::Failed)).then(|| {
        Failure::Wrong(format!(
            "job {name} failed: some of its tasks ended badly and are not tried again; \"netctl service ps --no-trunc \
             {name}\" says which, \"netctl service update --force {name}\" runs it again"
        ))
    })
}

#[cfg(test)]
mod tests {
    use model::{JobStatus, Mode, Schedule, Timestamp};

    use super::*;
    use crate::render::sample::{self, SECOND};

    /// Made at the time 0, changed a second later.
    fn job(schedule: Option<&str>) -> Service {
        let mut service = sample::service();
        service.spec.mode = Mode::GlobalJob;
        service.spec.schedule = schedule.map(Schedule::of);
        service.updated_at = Timestamp(SECOND);
        service.job_status = Some(JobStatus::starting(Timestamp(0)));
        service
    }

    #[test]
    fn a_job_that_runs_by_its_schedule_says_when() {
        let mut job = job(Some("0 3 * * *"));
        let words = "schedule: the next run of job web is due at 1970-01-01T03:00:00Z (0 3 * * *, UTC)";
        assert_eq!(due(&job).as_deref(), Some(words));
        let status = job.job_status.as_mut().unwrap();
        status.begin(Timestamp(0), false);
        assert!(due(&job).is_some(), "that run is from before the change");
        let status = job.job_status.as_mut().unwrap();
        status.begin(Timestamp(SECOND), true);
        assert_eq!(due(&job), None, "forced");
        assert_eq!(due(&self::job(None)), None);
        assert_eq!(due(&sample::service()), None);
    }

    #[test]
    fn a_run_that_has_failed_is_not_waited_for() {
        let ended = |outcome| {
            let mut job = job(None);
            job.job_status.as_mut().unwrap().end(Timestamp(SECOND), outcome);
            failed(&job)
        };
        assert!(failed(&job(None)).is_none());
        assert!(ended(RunOutcome::Completed).is_none());
        let words = ended(RunOutcome::Failed).unwrap().to_string();
        assert!(words.starts_with("job web failed: "), "{words}");
    }
}
