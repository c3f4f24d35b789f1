//! The runs of a job.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunOutcome {
    /// All of its tasks ended well.
    Completed,
    /// Tasks failed, and were not to be tried again.
    Failed,
    /// Another run began before it had ended.
    Replaced,
}

impl RunOutcome {
    /// The word that is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Replaced => "replaced",
        }
    }
}

/// A run that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRun {
    /// Its number.
    pub iteration: u64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How.
    pub outcome: RunOutcome,
}

/// The runs of a job: each change of its spec is another one; of a job with a schedule each begin by schedule, and by
/// `--force`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Counts the runs, from 0. With a schedule the first one is 1: before it there is none.
    pub iteration: u64,
    /// When this one began, or the job was made.
    pub last_execution: Timestamp,
    /// The latest ones that have ended, oldest first; not more than [`JobStatus::KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<JobRun>,
}

impl JobStatus {
    /// How many ended runs are remembered.
    pub const KEPT: usize = 10;

    /// Of a job made at `at`.
    pub fn starting(at: Timestamp) -> Self {
        Self {
            iteration: 0,
            last_execution: at,
            runs: Vec::new(),
        }
    }

    /// Whether the present run has ended.
    pub fn is_over(&self) -> bool {
        self.runs.last().is_some_and(|run| run.iteration == self.iteration)
    }

    /// The present run ends.
    pub fn end(&mut self, at: Timestamp, outcome: RunOutcome) {
        self.runs.push(JobRun {
            iteration: self.iteration,
            began_at: self.last_execution,
            ended_at: at,
            outcome,
        });
        let surplus = self.runs.len().saturating_sub(Self::KEPT);
        self.runs.drain(..surplus);
    }

    /// Another run begins, whether the present one (if there is one) has ended or not.
    pub fn begin(&mut self, at: Timestamp, present: bool) {
        if present && !self.is_over() {
            self.end(at, RunOutcome::Replaced);
        }
        self.iteration += 1;
        self.last_execution = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_runs_are_remembered() {
        let mut job = JobStatus::starting(Timestamp(0));
        job.begin(Timestamp(1), false);
        assert_eq!((job.iteration, job.runs.len()), (1, 0), "nothing ran before");
        job.end(Timestamp(2), RunOutcome::Completed);
        assert!(job.is_over());
        for at in 3..20 {
            job.begin(Timestamp(at), true);
            assert!(!job.is_over());
        }
        assert_eq!(job.runs.len(), JobStatus::KEPT);
        let last = job.runs.last().unwrap();
        assert_eq!((last.iteration, last.outcome), (17, RunOutcome::Replaced));
        assert_eq!((last.began_at, last.ended_at), (Timestamp(18), Timestamp(19)));
    }
}
