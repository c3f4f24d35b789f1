//! Feeds against the whole views: over any history, what nodes have been told adds up to what they should have.

use model::{NetworkAttachment, NodeState, RestartCondition, RestartPolicy, TaskState};
use proptest::prelude::*;

use super::*;
use crate::history::{NODES, Step, act, steps};
use crate::{Touched, node_view, testbed::Bed};

/// A node that takes in what its feed says.
struct Follower {
    node: NodeId,
    feed: Feed,
    view: Option<NodeView>,
}

impl Follower {
    fn starting(id: u128) -> Self {
        let node = NodeId::from_bits(id);
        Self {
            node,
            feed: Feed::starting(node, None),
            view: None,
        }
    }

    /// Takes in one update, if there is one.
    fn read(&mut self, board: &Board) -> bool {
        let Some(update) = self.feed.next(board) else {
            return false;
        };
        let view = match update {
            Update::Whole(view) => view,
            Update::Delta(delta) => {
                let old = self.view.as_ref().expect("a delta is for who has a view");
                old.apply(&delta).unwrap_or_else(|why| panic!("{why}: {delta:?}"))
            }
        };
        self.view = Some(view);
        true
    }

    fn known(&self) -> Option<Known> {
        let view = self.view.as_ref()?;
        let (seq, checksum) = (view.seq, view.checksum());
        Some(Known { seq, checksum })
    }

    /// A session with another manager, or the same one again.
    fn reconnect(&mut self) {
        self.feed = Feed::starting(self.node, self.known());
    }

    fn check(&self, bed: &Bed) {
        let Some(mut want) = node_view(bed.view(), self.node, 0) else {
            return;
        };
        let have = self.view.clone().expect("told");
        want.seq = have.seq;
        assert_eq!(have, want);
        let known = self.known().unwrap();
        assert_eq!(self.feed.compare(known), Verdict::Same);
        let checksum = known.checksum ^ 1;
        let drifted = self.feed.compare(Known { checksum, ..known });
        assert_eq!(drifted, Verdict::Drifted { want: known.checksum });
    }
}

/// Takes in the entries from the `seen`-th on.
fn follow(board: &mut Board, bed: &Bed, seen: &mut usize) -> Touched {
    let mut touched = Touched::default();
    for (view, events) in &bed.steps[*seen..] {
        touched.extend(board.update(view, events));
    }
    *seen = bed.steps.len();
    touched
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_nodes_were_told_adds_up_to_what_they_should_have(history in prop::collection::vec(steps(), 1..60)) {
        let mut bed = Bed::with_nodes(NODES);
        let (mut board, mut other) = (Board::of(bed.view()), Board::of(bed.view()));
        let (mut seen, mut seen_by_other) = (bed.steps.len(), bed.steps.len());
        let mut nodes: Vec<Follower> = (1..=NODES).map(Follower::starting).collect();
        for step in &history {
            act(&mut bed, step);
            let before = board.clone();
            let touched = follow(&mut board, &bed, &mut seen);
            // Who is not touched would be told nothing.
            for follower in nodes.iter().filter(|f| !touched.everyone && !touched.nodes.contains(&f.node)) {
                let mut still = Follower { feed: follower.feed.clone(), view: follower.view.clone(), ..*follower };
                if !still.read(&before) && still.view.is_some() {
                    prop_assert!(!still.read(&board));
                }
            }
            match step {
                Step::Read(node) => {
                    let follower = &mut nodes[*node as usize - 1];
                    follower.read(&board);
                    if follower.view.is_some() {
                        follower.check(&bed);
                    }
                }
                Step::Reconnect(node) => nodes[*node as usize - 1].reconnect(),
                Step::NewLeader => {
                    follow(&mut other, &bed, &mut seen_by_other);
                    (board, other) = (other, board);
                    (seen, seen_by_other) = (seen_by_other, seen);
                    nodes.iter_mut().for_each(Follower::reconnect);
                }
                _ => {}
            }
        }
        for follower in &mut nodes {
            follower.read(&board);
            if bed.view().node(follower.node).is_some() {
                follower.check(&bed);
            }
        }
        let fresh = Board::of(bed.view());
        for follower in nodes.iter().filter(|f| bed.view().node(f.node).is_some()) {
            prop_assert_eq!(sum(&board, follower.node, &services(&board, follower)), sum(&fresh, follower.node, &services(&fresh, follower)));
        }
    }
}

fn services(board: &Board, follower: &Follower) -> BTreeMap<ServiceId, u64> {
    board.services_of(follower.node).map(|s| (s.id, s.digest())).collect()
}

#[test]
fn a_node_is_told_what_changed_for_it_and_nothing_else() {
    let mut bed = Bed::with_nodes(3);
    let (blue, red) = (
        bed.network("blue", |_| ()).unwrap(),
        bed.network("red", |_| ()).unwrap(),
    );
    let attach = |network| {
        vec![NetworkAttachment {
            network,
            aliases: Vec::new(),
        }]
    };
    bed.service("b", |spec| spec.networks = attach(blue)).unwrap();
    bed.converge();
    bed.service("r", |spec| spec.networks = attach(red)).unwrap();
    bed.converge();
    let mut board = Board::of(bed.view());
    let mut seen = bed.steps.len();
    let mut nodes: Vec<Follower> = (1..=3).map(Follower::starting).collect();
    assert!(nodes.iter_mut().all(|node| node.read(&board)));
    let blues = bed.view().tasks_in_network(blue).next().cloned().unwrap();
    bed.report(blues.id, TaskState::Failed);
    let touched = follow(&mut board, &bed, &mut seen);
    assert_eq!(touched.nodes.into_iter().collect::<Vec<_>>(), [blues.node.unwrap()]);
    let told = nodes.iter_mut().filter_map(|node| match node.feed.next(&board) {
        Some(Update::Delta(delta)) => Some(delta),
        _ => None,
    });
    let told: Vec<ViewDelta> = told.collect();
    assert_eq!(told.len(), 1, "only the node that the task was on");
    assert_eq!((&told[0].tasks.gone, &told[0].cleared), (&vec![blues.id], &vec![blue]));
    assert_eq!(
        told[0].rows(),
        4,
        "the task, its network, the service, and the network's endpoints: {told:?}"
    );
}

#[test]
fn who_comes_back_with_what_it_should_have_is_told_so_and_who_was_away_too_long_gets_everything() {
    let mut bed = Bed::with_nodes(2);
    let early = Board::of(bed.view());
    let mut follower = Follower::starting(1);
    assert!(follower.read(&early));
    bed.service("web", |spec| spec.ports = vec!["80".parse().unwrap()])
        .unwrap();
    bed.converge();
    let late = Board::of(bed.view());
    follower.reconnect();
    let update = follower.feed.next(&late);
    assert!(
        matches!(update, Some(Update::Whole(_))),
        "what happened in between is not known"
    );
    follower = Follower::starting(1);
    follower.read(&late);
    bed.node_status(2, NodeState::Ready);
    let later: Board = Board::of(bed.view());
    follower.reconnect();
    let Some(Update::Delta(delta)) = follower.feed.next(&later) else {
        panic!("the same view is recognised")
    };
    assert_eq!((delta.rows(), delta.base), (0, late.seq()));
    let view = follower.view.as_ref().unwrap().apply(&delta).unwrap();
    assert_eq!(Some(view), node_view(bed.view(), follower.node, later.seq()));
    assert_eq!(follower.feed.next(&later), None);
}

/// No task changes with it, and a node applies it to those that run already.
#[test]
fn a_restart_policy_that_changed_is_told() {
    let mut bed = Bed::with_nodes(1);
    let web = bed.service("web", |_| ()).unwrap();
    bed.converge();
    let mut board = Board::of(bed.view());
    let mut seen = bed.steps.len();
    let mut follower = Follower::starting(1);
    assert!(follower.read(&board));
    let policy = RestartPolicy {
        condition: RestartCondition::None,
        ..RestartPolicy::default()
    };
    bed.update(web, |spec| spec.restart = Some(policy));
    bed.converge();
    follow(&mut board, &bed, &mut seen);
    assert!(follower.read(&board));
    follower.check(&bed);
    let services = &follower.view.unwrap().services;
    assert_eq!(services[0].restart, Some(policy));
}

#[test]
fn a_service_that_left_a_network_before_it_went_is_gone_for_the_nodes_that_were_in_it() {
    let mut bed = Bed::with_nodes(1);
    let blue = bed.network("blue", |_| ()).unwrap();
    let attached = vec![NetworkAttachment {
        network: blue,
        aliases: Vec::new(),
    }];
    let networks = attached.clone();
    let here = bed.service("here", |spec| spec.networks = networks).unwrap();
    let idle = |spec: &mut model::ServiceSpec| {
        spec.networks = attached;
        spec.mode = model::Mode::Replicated { replicas: 0 };
    };
    let idle = bed.service("idle", idle).unwrap();
    bed.converge();
    let mut board = Board::of(bed.view());
    let mut seen = bed.steps.len();
    let mut follower = Follower::starting(1);
    assert!(follower.read(&board));
    follower.check(&bed);
    // All before the node's session looks again, while the task is still stopping.
    bed.update(idle, |spec| spec.networks.clear());
    let at = bed.now;
    bed.apply(store::Command::RemoveService { id: here, at }).unwrap();
    bed.apply(store::Command::RemoveNetwork { id: blue }).unwrap();
    follow(&mut board, &bed, &mut seen);
    assert!(follower.read(&board));
    follower.check(&bed);
}

#[test]
fn only_what_takes_traffic_from_an_endpoint_is_urgent() {
    let mut bed = Bed::with_nodes(2);
    let mut board: Board = Board::of(bed.view());
    let mut seen = bed.steps.len();
    let replicas = |count| move |spec: &mut model::ServiceSpec| spec.mode = model::Mode::Replicated { replicas: count };
    let web = bed
        .service("web", |spec| {
            replicas(2)(spec);
            spec.ports = vec!["80".parse().unwrap()];
        })
        .unwrap();
    bed.converge();
    let touched = follow(&mut board, &bed, &mut seen);
    assert!(touched.everyone && !touched.urgent, "tasks come and run");
    bed.node_status(2, NodeState::Down);
    assert!(follow(&mut board, &bed, &mut seen).urgent, "a node is lost");
    bed.node_status(2, NodeState::Ready);
    assert!(!follow(&mut board, &bed, &mut seen).urgent, "it is back");
    bed.update(web, replicas(1));
    bed.settle();
    assert!(
        follow(&mut board, &bed, &mut seen).urgent,
        "a task is not wanted any more"
    );
}
