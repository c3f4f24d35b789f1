//! Wishes as nodes hear of them, and what is taken for them.

use super::*;

fn tasks(ids: &[u128]) -> BTreeMap<TaskId, Position> {
    ids.iter()
        .map(|id| (TaskId::from_bits(*id), Position::default()))
        .collect()
}

fn none() -> BTreeSet<TaskId> {
    BTreeSet::new()
}

#[test]
fn a_node_is_told_what_is_wished_of_it_when_that_changes() {
    let (desk, node) = (Desk::default(), NodeId::from_bits(1));
    let mut told = desk.told(node);
    assert_eq!(told.news(), None);
    let (to, _inbox) = mpsc::channel(1);
    let opened = desk.open(true, false).unwrap();
    opened.wish(NodeId::from_bits(2), tasks(&[7]), none(), &to);
    assert_eq!(told.news(), None, "another node's");
    opened.wish(node, tasks(&[3]), none(), &to);
    let wish = told.news().unwrap().wishes.remove(0);
    assert_eq!((wish.attempt, wish.follow, wish.tasks.len()), (1, true, 1));
    assert_eq!(told.news(), None);
    opened.wish(node, tasks(&[4]), none(), &to);
    assert_eq!(told.news().unwrap().wishes[0].tasks.len(), 2);
    opened.again(node, &BTreeMap::from([(TaskId::from_bits(3), Timestamp(9))]));
    let wish = told.news().unwrap().wishes.remove(0);
    assert_eq!((wish.attempt, wish.tasks[0].after, wish.tasks[1].after), (2, 9, 0));
    drop(opened);
    assert_eq!(told.news().unwrap().wishes, []);
}

#[test]
fn only_what_is_wished_is_taken() {
    let (desk, node) = (Desk::default(), NodeId::from_bits(1));
    let (to, _inbox) = mpsc::channel(1);
    let opened = desk.open(false, false).unwrap();
    opened.wish(node, tasks(&[3]), none(), &to);
    assert!(desk.intake(node, &opened.id, 1).is_ok());
    assert!(desk.intake(node, &opened.id, 2).is_err(), "no such attempt");
    assert!(desk.intake(NodeId::from_bits(2), &opened.id, 1).is_err());
    let sent: BTreeSet<TaskId> = [3, 4].map(TaskId::from_bits).into();
    assert_eq!(desk.stranger(node, &opened.id, &sent), Some(TaskId::from_bits(4)));
    let id = opened.id.clone();
    drop(opened);
    assert!(desk.intake(node, &id, 1).is_err());
}

#[test]
fn readings_are_bounded() {
    let desk = Desk::default();
    let all: Vec<_> = (0..MOST_READINGS).map(|_| desk.open(false, false).unwrap()).collect();
    assert!(desk.open(false, false).is_err());
    drop(all);
    assert!(desk.open(false, false).is_ok());
}

#[test]
fn what_has_ended_is_told_and_what_is_let_go_is_wished_no_more() {
    let (desk, node) = (Desk::default(), NodeId::from_bits(1));
    let mut told = desk.told(node);
    let (to, _inbox) = mpsc::channel(1);
    let opened = desk.open(true, false).unwrap();
    opened.wish(node, tasks(&[3, 4]), none(), &to);
    assert_eq!(told.news().unwrap().wishes[0].ended, Vec::<String>::new());
    let third = BTreeSet::from([TaskId::from_bits(3)]);
    opened.wish(node, BTreeMap::new(), third.clone(), &to);
    assert_eq!(told.news().unwrap().wishes[0].ended, [TaskId::from_bits(3).to_string()]);
    // One goes and one comes: as many as before.
    opened.let_go(node, &third);
    opened.wish(node, tasks(&[5]), none(), &to);
    let wish = told.news().unwrap().wishes.remove(0);
    assert_eq!((wish.tasks.len(), wish.ended.len()), (2, 0));
    assert_eq!(wish.tasks[0].task, TaskId::from_bits(4).to_string());
    assert_eq!(desk.stranger(node, &opened.id, &third), None, "it may be on its way");
    let more: BTreeSet<TaskId> = (10..10 + MOST_LET_GO as u128).map(TaskId::from_bits).collect();
    opened.let_go(node, &more);
    assert_eq!(desk.stranger(node, &opened.id, &third), third.first().copied());
}

#[test]
fn a_node_that_is_wished_for_again_begins_anew() {
    let (desk, node) = (Desk::default(), NodeId::from_bits(1));
    let mut told = desk.told(node);
    let (to, _inbox) = mpsc::channel(1);
    let opened = desk.open(true, false).unwrap();
    opened.wish(node, tasks(&[3]), none(), &to);
    assert_eq!(told.news().unwrap().wishes[0].attempt, 1);
    let before = desk.intake(node, &opened.id, 1).unwrap().stream;
    opened.forget(node);
    opened.wish(node, tasks(&[4]), none(), &to);
    assert_eq!(
        told.news().unwrap().wishes[0].attempt,
        2,
        "though it did not hear of the end"
    );
    assert!(desk.intake(node, &opened.id, 1).is_err());
    assert!(desk.intake(node, &opened.id, 2).unwrap().stream > before);
}
