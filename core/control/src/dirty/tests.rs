//! A pass over what events have marked decides what a pass over everything would.

mod happening;

use std::time::Duration;

use model::{FailureAction, Mode, Overlap, Schedule, ServiceId, ServiceSpec, UpdateOrder, UpdatePolicy};
use proptest::prelude::*;

use crate::testbed::{Bed, SECOND, running};
use happening::{Happening, happen, happening};

fn start_first(spec: &mut ServiceSpec) {
    let policy = UpdatePolicy {
        order: UpdateOrder::StartFirst,
        parallelism: 2,
        ..UpdatePolicy::default()
    };
    spec.rollback = Some(UpdatePolicy {
        delay: Duration::from_secs(3),
        ..policy
    });
    spec.update = Some(UpdatePolicy {
        failure_action: FailureAction::Rollback,
        ..policy
    });
}

fn host_port(spec: &mut ServiceSpec) {
    spec.ports = vec!["published=80,target=80,mode=host".parse().unwrap()];
}

fn global(spec: &mut ServiceSpec) {
    start_first(spec);
    spec.mode = Mode::Global;
}

fn on_disks(spec: &mut ServiceSpec) {
    host_port(spec);
    spec.mode = Mode::Global;
    spec.placement.constraints = vec!["node.labels.disk==ssd".parse().unwrap()];
}

fn job(spec: &mut ServiceSpec) {
    spec.mode = Mode::ReplicatedJob {
        max_concurrent: 2,
        total_completions: 3,
    };
    let attempts = spec.restart_policy();
    spec.restart = Some(model::RestartPolicy {
        max_attempts: 1,
        ..attempts
    });
}

fn global_job(spec: &mut ServiceSpec) {
    spec.mode = Mode::GlobalJob;
}

fn scheduled(spec: &mut ServiceSpec) {
    job(spec);
    spec.schedule = Some(Schedule {
        overlap: Overlap::Replace,
        ..Schedule::of("* * * * *")
    });
}

/// What is decided about all services and tasks, without ids and in no order.
fn picture(bed: &Bed) -> Vec<String> {
    let view = bed.view();
    let task = |task: &model::Task| {
        let (iteration, desired, state) = (task.job_iteration, task.desired, task.status.state);
        let (name, version, start) = (task.name(), task.spec_version, task.not_before);
        format!(
            "{name} {:?} {:?} {iteration:?} {version} {desired:?} {state} {start:?}",
            task.node, task.pinned
        )
    };
    let service = |service: &model::Service| {
        let (update, job) = (&service.update_status, &service.job_status);
        format!(
            "{} {} {:?} {job:?} {:?}",
            service.spec.name,
            service.spec_version,
            update.as_ref().map(|update| update.state),
            service.rebalance
        )
    };
    let mut lines: Vec<String> = view.tasks().map(task).chain(view.services().map(service)).collect();
    lines.sort();
    lines
}

fn check(changes: &[fn(&mut ServiceSpec)], steps: Vec<Happening>) -> Result<(Bed, Vec<ServiceId>), TestCaseError> {
    let mut bed = Bed::with_nodes(4);
    let services: Vec<ServiceId> = ('a'..)
        .zip(changes)
        .map(|(name, change)| bed.service(&name.to_string(), change).unwrap())
        .collect();
    for step in steps {
        happen(&mut bed, &services, step.clone());
        let mut whole = bed.clone();
        whole.settle();
        bed.settle_dirty();
        prop_assert_eq!(picture(&bed), picture(&whole), "other decisions after {:?}", step);
        let left = bed.settle();
        prop_assert_eq!(left, 0, "a pass over everything finds more after {:?}", step);
    }
    Ok((bed, services))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_events_mark_is_all_that_is_to_be_done(steps in prop::collection::vec(happening(), 1..40)) {
        let (mut bed, services) = check(&[start_first, host_port, host_port], steps)?;
        bed.now.0 += 100 * SECOND;
        prop_assert!(services.iter().all(|id| running(&bed, *id).len() <= 6));
    }

    #[test]
    fn so_it_is_for_services_of_nodes_and_for_jobs(steps in prop::collection::vec(happening(), 1..40)) {
        check(&[global, on_disks, job, global_job, scheduled], steps)?;
    }
}
