//! Whole passes over a small cluster with a global service.

use model::{Availability, Mode, NodeId, NodeState, RestartCondition, RestartPolicy, ServiceId, Task, TaskState};
use store::{Command, Refused};

use crate::testbed::{Bed, SECOND, node, tasks, web};

fn global(nodes: u128) -> (Bed, ServiceId) {
    web(nodes, 0, |spec| spec.mode = Mode::Global)
}

fn label(bed: &mut Bed, id: u128, label: &str) {
    bed.node_spec(id, |spec| drop(spec.labels.insert("disk".into(), label.into())));
}

#[test]
fn every_node_has_one_task_and_a_new_node_gets_its_own_at_once() {
    let (mut bed, web) = global(2);
    assert_eq!(bed.live(web), ["1 n1 Running Running", "2 n2 Running Running"]);
    bed.apply(Command::UpsertNode(Box::new(node(3, "n3")))).unwrap();
    bed.settle_dirty();
    bed.agents();
    assert_eq!(bed.live(web).len(), 3);
    assert_eq!(
        tasks(&bed, web, |_| true)[2].name(),
        format!("web.{}", NodeId::from_bits(3))
    );
}

#[test]
fn what_ends_with_its_node_is_not_placed_elsewhere_and_begins_again_with_it() {
    for leave in [true, false] {
        let (mut bed, web) = global(3);
        let away = |bed: &mut Bed, away: bool| match (leave, away) {
            (true, true) => bed.node_status(2, NodeState::Down),
            (true, false) => bed.node_status(2, NodeState::Ready),
            (false, true) => bed.node_spec(2, |spec| spec.availability = Availability::Drain),
            (false, false) => bed.node_spec(2, |spec| spec.availability = Availability::Active),
        };
        away(&mut bed, true);
        bed.settle_dirty();
        bed.converge();
        assert_eq!(bed.live(web), ["1 n1 Running Running", "3 n3 Running Running"]);
        away(&mut bed, false);
        bed.settle_dirty();
        bed.agents();
        bed.settle_dirty();
        bed.agents();
        let back = ["1 n1 Running Running", "2 n2 Running Running", "3 n3 Running Running"];
        assert_eq!(bed.live(web), back, "at once, in its old slot");
    }
}

#[test]
fn a_removed_node_frees_its_number() {
    let (mut bed, web) = global(3);
    let (id, at, force) = (NodeId::from_bits(2), bed.now, true);
    bed.apply(Command::RemoveNode { id, at, force }).unwrap();
    bed.settle_dirty();
    assert_eq!(tasks(&bed, web, |_| true).len(), 2, "nothing is left of it");
    bed.apply(Command::UpsertNode(Box::new(node(7, "n7")))).unwrap();
    bed.settle_dirty();
    let slots = tasks(&bed, web, Task::is_live);
    let slots: Vec<_> = slots.iter().map(|t| (t.slot.get(), t.pinned.unwrap().bits())).collect();
    assert_eq!(slots, [(1, 1), (2, 7), (3, 3)]);
}

#[test]
fn labels_decide_at_any_time_which_nodes_have_a_task() {
    let mut bed = Bed::with_nodes(3);
    label(&mut bed, 1, "ssd");
    let web = bed.service("web", |spec| {
        spec.mode = Mode::Global;
        spec.placement.constraints = vec!["node.labels.disk==ssd".parse().unwrap()];
    });
    let web = web.unwrap();
    bed.converge();
    assert_eq!(bed.live(web), ["1 n1 Running Running"]);
    label(&mut bed, 3, "ssd");
    label(&mut bed, 1, "tape");
    bed.settle_dirty();
    bed.converge();
    assert_eq!(bed.live(web), ["2 n3 Running Running"]);
}

#[test]
fn each_node_has_its_own_attempts() {
    let once = RestartPolicy {
        condition: RestartCondition::OnFailure,
        max_attempts: 1,
        delay: std::time::Duration::ZERO,
        ..RestartPolicy::default()
    };
    let (mut bed, web) = web(2, 0, |spec| {
        spec.mode = Mode::Global;
        spec.restart = Some(once);
    });
    for _ in 0..2 {
        let first = tasks(&bed, web, Task::is_live)[0].clone();
        assert_eq!(first.node, Some(NodeId::from_bits(1)));
        bed.now.0 += SECOND;
        bed.report(first.id, TaskState::Failed);
        bed.converge();
    }
    assert_eq!(
        bed.live(web),
        ["2 n2 Running Running"],
        "used up on one node, not on the other"
    );
}

#[test]
fn a_paused_node_keeps_its_task_and_a_new_one_waits_for_it() {
    let (mut bed, web) = global(2);
    bed.node_spec(2, |spec| spec.availability = Availability::Pause);
    bed.converge();
    assert_eq!(bed.live(web).len(), 2);
    let on_2 = tasks(&bed, web, Task::is_live)[1].id;
    bed.report(on_2, TaskState::Failed);
    bed.now.0 += 10 * SECOND;
    bed.settle();
    let waits = tasks(&bed, web, |task| task.is_live() && task.node.is_none());
    assert_eq!(
        waits[0].status.err,
        "no suitable node (1 node not available for new tasks)"
    );
    bed.node_spec(2, |spec| spec.availability = Availability::Active);
    bed.settle_dirty();
    assert!(
        tasks(&bed, web, Task::is_live)
            .iter()
            .all(|task| task.node == task.pinned)
    );
}

#[test]
fn a_new_spec_reaches_every_node() {
    let (mut bed, web) = global(3);
    bed.update(web, |spec| spec.container.image = "image:2".to_owned());
    for _ in 0..20 {
        bed.now.0 += 10 * SECOND;
        bed.converge();
    }
    let live = tasks(&bed, web, Task::is_live);
    assert_eq!(live.len(), 3);
    assert!(
        live.iter()
            .all(|task| task.container.image == "image:2" && task.node == task.pinned)
    );
}

/// The live tasks when an update has had its time.
fn after_a_while(bed: &mut Bed, service: ServiceId) -> Vec<Task> {
    for _ in 0..20 {
        bed.now.0 += 10 * SECOND;
        bed.settle_dirty();
        bed.converge();
    }
    tasks(bed, service, Task::is_live)
}

#[test]
fn an_update_passes_over_a_paused_node_and_comes_to_it_when_it_is_active_again() {
    let (mut bed, web) = global(3);
    bed.node_spec(2, |spec| spec.availability = Availability::Pause);
    bed.update(web, |spec| spec.container.image = "image:2".to_owned());
    let go_on = |bed: &mut Bed| {
        let live = after_a_while(bed, web);
        assert_eq!(bed.live(web).len(), 3, "each node has its task all the while");
        live.into_iter()
            .map(|task| task.container.image.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(go_on(&mut bed), ["image:2", "image", "image:2"]);
    let status = bed.view().service(web).unwrap().update_status.clone().unwrap();
    assert_eq!(status.state, model::UpdateState::Completed);
    bed.node_spec(2, |spec| spec.availability = Availability::Active);
    assert_eq!(go_on(&mut bed), ["image:2", "image:2", "image:2"]);
}

/// The engine of a node answers, or not.
fn engine(bed: &mut Bed, id: u128, answers: bool) {
    let words = if answers { "" } else { "no answer" };
    bed.describe(id, |description| description.engine_error = words.to_owned());
}

#[test]
fn an_update_waits_for_an_engine_that_does_not_answer_and_goes_on_elsewhere_meanwhile() {
    let (mut bed, web) = global(3);
    engine(&mut bed, 1, false);
    bed.update(web, |spec| spec.container.image = "image:2".to_owned());
    let go_on = |bed: &mut Bed| {
        let live = after_a_while(bed, web);
        let state = bed.view().service(web).unwrap().update_status.clone().unwrap().state;
        let new = live.iter().filter(|task| task.container.image == "image:2");
        (live.len(), new.count(), state)
    };
    assert_eq!(go_on(&mut bed), (3, 2, model::UpdateState::Updating));
    engine(&mut bed, 1, true);
    assert_eq!(go_on(&mut bed), (3, 3, model::UpdateState::Completed));
}

#[test]
fn an_update_goes_no_further_where_the_engine_ends_that_was_given_the_new_task() {
    let (mut bed, web) = global(3);
    bed.update(web, |spec| spec.container.image = "image:2".to_owned());
    bed.settle_dirty();
    let begun = |task: &Task| task.is_live() && task.container.image == "image:2";
    let first = tasks(&bed, web, begun)[0].pinned.unwrap();
    engine(&mut bed, first.bits(), false);
    for _ in 0..20 {
        bed.now.0 += 10 * SECOND;
        bed.settle_dirty();
    }
    assert_eq!(tasks(&bed, web, begun).len(), 1);
    let status = bed.view().service(web).unwrap().update_status.clone().unwrap();
    assert_eq!(status.state, model::UpdateState::Updating);
}

#[test]
fn a_service_keeps_its_mode() {
    let (mut bed, web) = global(1);
    let service = bed.view().service(web).unwrap().clone();
    let mut spec = service.spec.clone();
    spec.mode = Mode::Replicated { replicas: 1 };
    let refused = crate::plan_update_service(bed.view(), web, service.version, bed.now, spec, None);
    assert!(matches!(refused, Err(Refused::ModeChanged { .. })), "{refused:?}");
    bed.converge();
}
