//! Planted causes: each is named, and so is a way out.

use model::{
    Availability, HeldPort, NodeId, NodeState, Protocol, RestartCondition, RestartPolicy, ServiceId, ServiceSpec,
    TaskState, Timestamp, UpdateStatus,
};
use store::{Command, StatusReport, TaskOp};

use super::*;
use crate::testbed::{Bed, SECOND, tasks, web};

fn findings(bed: &Bed, service: ServiceId) -> Vec<Finding> {
    let service = bed.view().service(service).unwrap();
    why_service(bed.view(), service, bed.now)
}

/// The only finding names `cause` and `way`.
fn expect(bed: &Bed, service: ServiceId, cause: &str, way: &str) {
    let found = findings(bed, service);
    let [only] = found.as_slice() else {
        panic!("one finding is expected: {found:#?}")
    };
    assert!(only.cause.contains(cause), "no {cause:?} in {only:#?}");
    assert!(only.way_out.contains(way), "no {way:?} in {only:#?}");
}

/// Ends the live task with this error.
fn fail(bed: &mut Bed, service: ServiceId, state: TaskState, err: &str) {
    let task = tasks(bed, service, model::Task::is_live)[0].clone();
    let mut status = task.status;
    (status.state, status.at, status.err) = (state, bed.now, err.to_owned());
    let report = StatusReport {
        node: task.node.unwrap(),
        task: task.id,
        status,
        heard: None,
    };
    bed.apply(Command::Tasks(vec![TaskOp::Report(Box::new(report))]))
        .unwrap();
    bed.settle();
}

/// A service whose first task cannot be placed.
fn unplaced(change: impl FnOnce(&mut ServiceSpec)) -> (Bed, ServiceId) {
    let mut bed = Bed::with_nodes(2);
    let id = bed.service("web", change).unwrap();
    bed.settle();
    (bed, id)
}

fn describe(bed: &mut Bed, id: u128, change: impl FnOnce(&mut model::NodeDescription)) {
    let node = bed.view().node(NodeId::from_bits(id)).unwrap().clone();
    let mut description = Box::new(node.description.unwrap());
    change(&mut description);
    bed.apply(Command::DescribeNode {
        id: node.id,
        at: bed.now,
        addr: node.status.addr,
        control: None,
        description,
    })
    .unwrap();
}

fn set_availability(bed: &mut Bed, id: u128, availability: Availability) {
    let node = bed.view().node(NodeId::from_bits(id)).unwrap().clone();
    let spec = model::NodeSpec {
        availability,
        ..node.spec
    };
    bed.apply(Command::UpdateNodeSpec {
        id: node.id,
        version: node.version,
        at: bed.now,
        spec,
    })
    .unwrap();
}

#[test]
fn a_service_that_runs_as_wished_has_no_finding() {
    let (bed, web) = web(2, 3, |_| ());
    assert_eq!(findings(&bed, web), []);
}

#[test]
fn no_node_meets_the_constraints() {
    let (bed, web) = unplaced(|spec| spec.placement.constraints = vec!["node.labels.disk==ssd".parse().unwrap()]);
    expect(
        &bed,
        web,
        "scheduling constraints not satisfied on 2 nodes",
        "--label-add",
    );
}

#[test]
fn no_node_takes_tasks() {
    let mut bed = Bed::with_nodes(2);
    for id in [1, 2] {
        set_availability(&mut bed, id, Availability::Pause);
    }
    let id = bed.service("web", |_| ()).unwrap();
    bed.settle();
    expect(&bed, id, "not available for new tasks", "--availability active");
}

#[test]
fn the_network_has_no_address_left() {
    let mut bed = Bed::with_nodes(1);
    let network = bed
        .network("tiny", |spec| spec.subnet = Some("10.9.0.0/29".parse().unwrap()))
        .unwrap();
    let attach = model::NetworkAttachment {
        network,
        aliases: Vec::new(),
    };
    let id = bed.service("web", |spec| {
        spec.networks = vec![attach];
        spec.mode = Mode::Replicated { replicas: 9 };
    });
    let id = id.unwrap();
    bed.converge();
    let found = findings(&bed, id);
    assert!(!found.is_empty());
    assert!(
        found
            .iter()
            .all(|f| f.cause.contains("no address left") && f.way_out.contains("--subnet")),
        "{found:#?}"
    );
}

#[test]
fn the_image_is_missing() {
    let (mut bed, web) = web(1, 1, |_| ());
    fail(&mut bed, web, TaskState::Rejected, "No such image: web:9");
    expect(&bed, web, "No such image: web:9", "registry");
}

#[test]
fn a_crash_loop_tells_how_the_last_ones_ended() {
    let (mut bed, web) = web(1, 1, |_| ());
    for _ in 0..3 {
        fail(&mut bed, web, TaskState::Failed, "task: non-zero exit (3)");
        bed.now = Timestamp(bed.now.0 + 6 * SECOND);
        bed.settle();
        bed.agents();
    }
    fail(&mut bed, web, TaskState::Failed, "task: non-zero exit (137)");
    expect(&bed, web, "crash loop: 4 tasks", "--limit-memory");
    assert_eq!(findings(&bed, web)[0].details.len(), TOLD_ENDS);
}

#[test]
fn an_unhealthy_task_was_replaced() {
    let (mut bed, web) = web(1, 1, |_| ());
    fail(&mut bed, web, TaskState::Failed, "task: unhealthy container");
    expect(&bed, web, "unhealthy container", "health check");
}

#[test]
fn a_program_that_is_not_there() {
    let (mut bed, web) = web(1, 1, |_| ());
    fail(
        &mut bed,
        web,
        TaskState::Failed,
        "exec: \"srv\": executable file not found in $PATH",
    );
    expect(&bed, web, "executable file not found", "entrypoint");
}

#[test]
fn a_path_that_is_not_there() {
    let (mut bed, web) = web(1, 1, |_| ());
    let err = "invalid mount config for type \"bind\": bind source path does not exist: /srv";
    fail(&mut bed, web, TaskState::Rejected, err);
    expect(&bed, web, "bind source path does not exist", "volume");
}

#[test]
fn the_restart_delay_is_not_over() {
    let (mut bed, web) = web(1, 1, |_| ());
    let task = tasks(&bed, web, model::Task::is_live)[0].id;
    bed.report(task, TaskState::Complete);
    bed.settle();
    bed.agents();
    expect(&bed, web, "waits 5 s more", "--restart-delay");
}

#[test]
fn the_policy_asks_for_no_other_task() {
    let none = RestartPolicy {
        condition: RestartCondition::None,
        ..RestartPolicy::default()
    };
    let (mut bed, web) = web(1, 1, |spec| spec.restart = Some(none));
    fail(&mut bed, web, TaskState::Failed, "task: non-zero exit (1)");
    expect(&bed, web, "restart condition (none)", "--force");
}

#[test]
fn the_attempts_are_used_up() {
    let once = RestartPolicy {
        max_attempts: 1,
        ..RestartPolicy::default()
    };
    let (mut bed, web) = web(1, 1, |spec| spec.restart = Some(once));
    for _ in 0..2 {
        fail(&mut bed, web, TaskState::Failed, "task: non-zero exit (1)");
        bed.now = Timestamp(bed.now.0 + 6 * SECOND);
        bed.converge();
    }
    expect(
        &bed,
        web,
        "its 1 restart attempts are used up",
        "--restart-max-attempts",
    );
}

#[test]
fn the_engine_of_its_node_does_not_answer() {
    let (mut bed, web) = web(1, 1, |_| ());
    describe(&mut bed, 1, |d| d.engine_error = "timed out".to_owned());
    expect(
        &bed,
        web,
        "container engine of node n1 does not answer",
        "restart the engine",
    );
}

#[test]
fn its_node_is_down_and_there_is_no_other() {
    let (mut bed, web) = web(1, 1, |_| ());
    bed.node_status(1, NodeState::Down);
    bed.settle();
    let found = findings(&bed, web);
    assert!(found.iter().any(|f| f.cause.contains("no suitable node")), "{found:#?}");
}

#[test]
fn a_published_port_is_held_by_somebody_else() {
    let (mut bed, web) = web(1, 1, |spec| spec.ports = vec!["8080:80".parse().unwrap()]);
    describe(&mut bed, 1, |d| {
        d.held_ports = vec![HeldPort {
            port: 8080,
            protocol: Protocol::Tcp,
            holder: "nginx".to_owned(),
        }];
    });
    expect(&bed, web, "held by nginx", "another port");
}

#[test]
fn scaled_to_nothing() {
    let (bed, web) = web(1, 0, |_| ());
    expect(&bed, web, "scaled to 0", "service scale web=1");
}

#[test]
fn a_paused_update_is_told() {
    let (bed, web) = web(1, 1, |_| ());
    let mut service = bed.view().service(web).unwrap().clone();
    service.update_status = Some(UpdateStatus {
        state: UpdateState::Paused,
        started_at: bed.now,
        completed_at: None,
        message: "update paused due to failure".to_owned(),
    });
    let found = why_service(bed.view(), &service, bed.now);
    assert!(found[0].cause.contains("update is paused") && found[0].way_out.contains("service rollback web"));
}

#[test]
fn a_canary_is_told_with_both_ways_on() {
    let (mut bed, web) = web(2, 4, |_| ());
    bed.canary(web, 10, |spec| spec.container.image = "image:2".into())
        .unwrap();
    bed.converge();
    expect(&bed, web, "a canary gets 10% of the new flows", "--promote web");
    let canary = tasks(&bed, web, |task| task.spec_version == 2)[0].id;
    bed.report(canary, TaskState::Failed);
    bed.settle();
    expect(
        &bed,
        web,
        "its canary is paused: canary paused due to failure",
        "--abort web",
    );
    bed.decide_canary(web, false).unwrap();
    bed.converge();
    assert_eq!(findings(&bed, web), []);
}

#[test]
fn a_task_that_waits_for_its_agent_or_has_ended_is_explained() {
    let mut bed = Bed::with_nodes(1);
    let web = bed.service("web", |_| ()).unwrap();
    bed.settle();
    let task = tasks(&bed, web, |_| true)[0].clone();
    let found = why_task(bed.view(), &task, bed.now);
    assert!(found[0].cause.contains("agent on node n1"), "{found:#?}");
    bed.converge();
    fail(&mut bed, web, TaskState::Failed, "task: non-zero exit (127)");
    let ended = bed.view().task(task.id).unwrap();
    let found = why_task(bed.view(), ended, bed.now);
    assert!(
        found[0].way_out.contains("not in the image") && found[0].details[0].contains("replaced by"),
        "{found:#?}"
    );
}
