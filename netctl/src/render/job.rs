//! When a job runs, and its runs. Docker has none of this but the number of the run.

use std::fmt::Write;

use model::{JobRun, JobStatus, Overlap, Schedule, Service, Timestamp};
use serde_json::{Value, json};

use super::{
    fields::Fields,
    time::{ago, words},
};

/// A schedule, in the words of the flags.
pub fn schedule(schedule: &Schedule) -> Value {
    json!({ "Cron": schedule.cron, "Timezone": schedule.zone, "Overlap": overlap(schedule.overlap) })
}

fn overlap(policy: Overlap) -> &'static str {
    match policy {
        Overlap::Skip => "skip",
        Overlap::Queue => "queue",
        Overlap::Replace => "replace",
    }
}

/// The present run, and the latest that have ended.
pub fn status(status: &JobStatus) -> Value {
    let run = |run: &JobRun| {
        json!({
            "JobIteration": { "Index": run.iteration },
            "StartedAt": run.began_at.to_string(),
            "EndedAt": run.ended_at.to_string(),
            "Outcome": run.outcome.word(),
        })
    };
    let object = json!({
        "JobIteration": { "Index": status.iteration },
        "LastExecution": status.last_execution.to_string(),
    });
    let runs = status.runs.iter().map(run).collect();
    Fields::from(object).unless_empty("Runs", runs).value()
}

/// The same for people; nothing of a service that is no job.
pub fn text(text: &mut String, service: &Service, now: Timestamp) {
    if let Some(schedule) = &service.spec.schedule {
        let _ = writeln!(text, "Schedule:\t{} ({})", schedule.cron, schedule.zone);
        let _ = writeln!(text, " Overlap:\t{}", overlap(schedule.overlap));
    }
    let runs = service.job_status.iter().flat_map(|status| status.runs.iter().rev());
    for (at, run) in runs.enumerate() {
        if at == 0 {
            text.push_str("Ended Runs:\n");
        }
        let took = words(run.ended_at.since(run.began_at)).to_lowercase();
        let (outcome, ended) = (run.outcome.word(), ago(run.ended_at, now));
        let _ = writeln!(text, " {}:\t\t{outcome} {ended}, after {took}", run.iteration);
    }
}

#[cfg(test)]
mod tests {
    use model::RunOutcome;

    use super::*;
    use crate::render::{sample, service_json, service_text, shown};

    #[test]
    fn what_was_set_can_be_seen() {
        let mut service = sample::service();
        assert_eq!(
            shown(&service_json(&service, &Default::default()))["Spec"].get("Schedule"),
            None
        );
        service.spec.schedule = Some(Schedule {
            overlap: Overlap::Queue,
            zone: "Europe/Vienna".into(),
            ..Schedule::of("0 3 * * *")
        });
        let mut status = JobStatus::starting(Timestamp(0));
        status.begin(Timestamp(0), false);
        status.end(Timestamp(2 * sample::SECOND), RunOutcome::Completed);
        service.job_status = Some(status);
        let value = shown(&service_json(&service, &Default::default()));
        let schedule = json!({ "Cron": "0 3 * * *", "Timezone": "Europe/Vienna", "Overlap": "queue" });
        assert_eq!(value["Spec"]["Schedule"], schedule);
        assert_eq!(value["JobStatus"]["Runs"][0]["Outcome"], "completed");
        let text = service_text(&service, &Default::default(), Timestamp(5 * sample::SECOND));
        assert!(
            text.contains(
                "\nSchedule:\t0 3 * * * (Europe/Vienna)\n Overlap:\tqueue\nEnded Runs:\n 1:\t\tcompleted 3 seconds ago, \
                 after 2 seconds\n"
            ),
            "{text}"
        );
    }
}
