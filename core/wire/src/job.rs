//! Schedules and runs of jobs.

use model::{JobRun, JobStatus, Schedule, Timestamp};

use crate::{
    WireError, pb,
    scalar::{choice, list, to_list},
};

impl From<Schedule> for pb::Schedule {
    fn from(schedule: Schedule) -> Self {
        Self {
            cron: schedule.cron,
            zone: schedule.zone,
            overlap: pb::Overlap::from(schedule.overlap).into(),
        }
    }
}

impl TryFrom<pb::Schedule> for Schedule {
    type Error = WireError;
    fn try_from(schedule: pb::Schedule) -> Result<Self, WireError> {
        Ok(Self {
            cron: schedule.cron,
            zone: schedule.zone,
            overlap: choice::<pb::Overlap, _>("overlap", schedule.overlap)?,
        })
    }
}

impl From<JobRun> for pb::JobRun {
    fn from(run: JobRun) -> Self {
        Self {
            iteration: run.iteration,
            began_at: run.began_at.0,
            ended_at: run.ended_at.0,
            outcome: pb::RunOutcome::from(run.outcome).into(),
        }
    }
}

impl TryFrom<pb::JobRun> for JobRun {
    type Error = WireError;
    fn try_from(run: pb::JobRun) -> Result<Self, WireError> {
        Ok(Self {
            iteration: run.iteration,
            began_at: Timestamp(run.began_at),
            ended_at: Timestamp(run.ended_at),
            outcome: choice::<pb::RunOutcome, _>("outcome", run.outcome)?,
        })
    }
}

impl From<JobStatus> for pb::JobStatus {
    fn from(status: JobStatus) -> Self {
        Self {
            iteration: status.iteration,
            last_execution: status.last_execution.0,
            runs: to_list(status.runs),
        }
    }
}

impl TryFrom<pb::JobStatus> for JobStatus {
    type Error = WireError;
    fn try_from(status: pb::JobStatus) -> Result<Self, WireError> {
        Ok(Self {
            iteration: status.iteration,
            last_execution: Timestamp(status.last_execution),
            runs: list("runs", status.runs)?,
        })
    }
}
