//! A job every ten minutes, over whole passes.

use model::{JobStatus, Mode, Overlap, RunOutcome, Schedule, ServiceId, TaskState, Timestamp};

use crate::{
    Moment, next_deadline,
    testbed::{Bed, SECOND, running, tasks},
};

fn scheduled(overlap: Overlap) -> (Bed, ServiceId) {
    let mut bed = Bed::with_nodes(1);
    let job = bed.service("job", |spec| {
        spec.mode = Mode::ReplicatedJob {
            max_concurrent: 0,
            total_completions: 1,
        };
        spec.schedule = Some(Schedule {
            overlap,
            ..Schedule::of("*/10 * * * *")
        });
    });
    (bed, job.unwrap())
}

/// Lets everybody work at this second, with what events and deadlines mark alone.
fn at(bed: &mut Bed, second: i64) {
    bed.now = Timestamp(second * SECOND);
    for _ in 0..4 {
        bed.settle_dirty();
        bed.agents();
    }
    assert_eq!(bed.settle(), 0);
}

fn end(bed: &mut Bed, job: ServiceId, state: TaskState) {
    let task = tasks(bed, job, |task| task.status.state == TaskState::Running)[0].id;
    bed.report(task, state);
}

fn status(bed: &Bed, job: ServiceId) -> JobStatus {
    bed.view().service(job).unwrap().job_status.clone().unwrap()
}

fn deadline(bed: &Bed) -> Option<i64> {
    next_deadline(bed.view(), Moment::settled(bed.now)).map(|at| at.0 / SECOND)
}

#[test]
fn a_job_runs_when_its_time_has_come_and_remembers_how_that_ended() {
    let (mut bed, job) = scheduled(Overlap::Skip);
    at(&mut bed, 599);
    assert_eq!((tasks(&bed, job, |_| true).len(), deadline(&bed)), (0, Some(600)));
    at(&mut bed, 600);
    assert_eq!((running(&bed, job), deadline(&bed)), (vec![1], None));
    end(&mut bed, job, TaskState::Complete);
    at(&mut bed, 700);
    assert_eq!((running(&bed, job).len(), deadline(&bed)), (0, Some(1200)));
    let runs = status(&bed, job).runs;
    assert_eq!(
        (runs.len(), runs[0].iteration, runs[0].outcome),
        (1, 1, RunOutcome::Completed)
    );
    at(&mut bed, 1200);
    assert_eq!((running(&bed, job), status(&bed, job).iteration), (vec![1], 2));
    assert_eq!(
        tasks(&bed, job, |_| true).len(),
        1,
        "those of the last run are forgotten"
    );
}

#[test]
fn a_run_that_takes_too_long_is_waited_for_or_replaced() {
    for (overlap, meanwhile, afterwards, due) in [
        (Overlap::Skip, 1, 1, Some(1800)),
        (Overlap::Queue, 1, 2, None),
        (Overlap::Replace, 2, 2, Some(1800)),
    ] {
        let (mut bed, job) = scheduled(overlap);
        at(&mut bed, 600);
        at(&mut bed, 1300);
        assert_eq!(status(&bed, job).iteration, meanwhile, "{overlap:?}");
        assert_eq!(running(&bed, job), [1], "{overlap:?}");
        end(&mut bed, job, TaskState::Complete);
        at(&mut bed, 1310);
        assert_eq!(
            (status(&bed, job).iteration, deadline(&bed)),
            (afterwards, due),
            "{overlap:?}"
        );
    }
}

#[test]
fn runs_that_nobody_began_in_time_begin_once() {
    let (mut bed, job) = scheduled(Overlap::Queue);
    at(&mut bed, 5000);
    assert_eq!(status(&bed, job).iteration, 1);
    end(&mut bed, job, TaskState::Complete);
    at(&mut bed, 5001);
    assert_eq!((status(&bed, job).iteration, deadline(&bed)), (1, Some(5400)));
}

#[test]
fn force_runs_it_now_and_another_schedule_does_not() {
    let (mut bed, job) = scheduled(Overlap::Skip);
    at(&mut bed, 1000);
    end(&mut bed, job, TaskState::Complete);
    at(&mut bed, 1100);
    bed.update(job, |spec| spec.schedule = Some(Schedule::of("5 * * * *")));
    at(&mut bed, 1101);
    assert_eq!((status(&bed, job).iteration, deadline(&bed)), (1, Some(3900)));
    bed.update(job, |spec| spec.force_update += 1);
    at(&mut bed, 1102);
    assert_eq!((status(&bed, job).iteration, running(&bed, job)), (2, vec![1]));
}
