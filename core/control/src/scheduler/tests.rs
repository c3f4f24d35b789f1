//! Where tasks are placed, and what those say that are not: whole passes over a small cluster.

mod fit;
mod prefer;

use model::{Mode, NodeId, NodeState, ServiceId, ServiceSpec, TaskState};
use store::Command;

use crate::testbed::{Bed, running, tasks, web};

fn scale(bed: &mut Bed, service: ServiceId, replicas: u32) {
    bed.update(service, |spec| spec.mode = Mode::Replicated { replicas });
    bed.converge();
}

#[test]
fn a_task_without_a_node_says_why_and_is_placed_when_one_fits() {
    let constrained =
        |spec: &mut ServiceSpec| spec.placement.constraints = vec!["node.labels.disk==ssd".parse().unwrap()];
    let (mut bed, web) = web(3, 1, constrained);
    bed.node_status(1, NodeState::Down);
    bed.settle();
    let err =
        || "no suitable node (scheduling constraints not satisfied on 2 nodes; 1 node not available for new tasks)";
    assert_eq!(tasks(&bed, web, |_| true)[0].status.err, err());
    let node = bed.view().node(NodeId::from_bits(3)).unwrap().clone();
    let mut spec = node.spec.clone();
    spec.labels.insert("disk".into(), "ssd".into());
    bed.apply(Command::UpdateNodeSpec {
        id: node.id,
        version: node.version,
        at: bed.now,
        spec,
    })
    .unwrap();
    bed.converge();
    assert_eq!(bed.live(web), ["1 n3 Running Running"]);
    assert_eq!(tasks(&bed, web, |_| true)[0].status.err, "");
}

#[test]
fn host_mode_ports_keep_tasks_apart() {
    let host = |spec: &mut ServiceSpec| spec.ports = vec!["published=80,target=80,mode=host".parse().unwrap()];
    let (bed, web) = web(2, 3, host);
    let waiting = tasks(&bed, web, |t| t.node.is_none());
    assert_eq!(running(&bed, web).len(), 2);
    assert_eq!(
        waiting[0].status.err,
        "no suitable node (host-mode port already in use on 2 nodes)"
    );
}

#[test]
fn a_full_network_is_the_reason_why_a_task_waits() {
    let mut bed = Bed::with_nodes(1);
    let tiny = bed
        .network("tiny", |spec| spec.subnet = Some("10.9.0.0/29".parse().unwrap()))
        .unwrap();
    let web = bed.service("web", |spec| {
        spec.networks = vec![model::NetworkAttachment {
            network: tiny,
            aliases: Vec::new(),
        }];
        spec.mode = Mode::Replicated { replicas: 5 };
    });
    let web = web.unwrap();
    bed.converge();
    assert_eq!(
        running(&bed, web).len(),
        4,
        "six hosts less the gateway and the virtual IP"
    );
    let waiting = tasks(&bed, web, |t| t.status.state == TaskState::New);
    let err = "no address left in network tiny (subnet 10.9.0.0/29): use a network with a larger --subnet";
    assert_eq!(waiting[0].status.err, err);
    scale(&mut bed, web, 1);
    scale(&mut bed, web, 4);
    assert_eq!(running(&bed, web).len(), 4);
}

#[test]
fn a_host_mode_port_that_is_added_moves_tasks_apart() {
    let host = |spec: &mut ServiceSpec| spec.ports = vec!["published=80,target=80,mode=host".parse().unwrap()];
    let (mut bed, web) = web(1, 1, host);
    let api = bed.service("api", |_| ()).unwrap();
    bed.converge();
    bed.update(api, host);
    bed.converge();
    assert_eq!((running(&bed, web).len(), running(&bed, api).len()), (1, 0));
    let waiting = tasks(&bed, api, |task| task.is_live());
    assert_eq!(
        waiting[0].status.err,
        "no suitable node (host-mode port already in use on 1 node)"
    );
}
