//! What a node is told, and what it is not.

use std::collections::BTreeMap;

use model::{DesiredState, NodeId, NodeState, TaskState};

use super::*;
use crate::testbed::Bed;

fn told(bed: &Bed, node: u128) -> NodeView {
    node_view(bed.view(), NodeId::from_bits(node), 1).unwrap()
}

fn attach(bed: &mut Bed, name: &str, network: NetworkId, port: Option<&str>) -> ServiceId {
    bed.service(name, |spec| {
        spec.networks = vec![model::NetworkAttachment {
            network,
            aliases: vec!["alias".parse().unwrap()],
        }];
        spec.ports = port.into_iter().map(|p| p.parse().unwrap()).collect();
    })
    .unwrap()
}

fn names(view: &NodeView) -> (Vec<String>, Vec<String>) {
    let mut networks: Vec<String> = view.networks.iter().map(|n| n.name.to_string()).collect();
    let mut services: Vec<String> = view.services.iter().map(|s| s.name.to_string()).collect();
    networks.sort();
    services.sort();
    (networks, services)
}

#[test]
fn secrets_are_told_to_the_nodes_of_their_tasks_and_a_task_that_is_not_ready_takes_nothing() {
    let mut bed = Bed::with_nodes(2);
    let id = model::PayloadId::from_bits(700);
    let new = store::NewPayload {
        id,
        at: bed.now,
        kind: model::PayloadKind::Secret,
        spec: model::PayloadSpec {
            name: "db".parse().unwrap(),
            labels: BTreeMap::new(),
            templated: false,
        },
        bytes: model::PayloadBytes::new(b"canary"),
    };
    let command = crate::plan_create_payload(bed.view(), new).unwrap();
    bed.apply(command).unwrap();
    let web = bed
        .service("web", |spec| {
            spec.container.secrets = vec![model::PayloadRef::of(id, "db".parse().unwrap())];
            spec.ports = vec!["80".parse().unwrap()];
        })
        .unwrap();
    bed.converge();
    let task = bed.view().tasks_of_service(web).next().cloned().unwrap();
    let its = task.node.unwrap();
    for node in [1, 2] {
        let view = told(&bed, node);
        assert_eq!(view.payloads.len(), usize::from(view.node == its));
        assert!(view.has_payloads() && view.endpoints.iter().all(|e| e.serving));
    }
    let status = model::TaskStatus {
        not_ready: true,
        ..task.status
    };
    let (node, task) = (its, task.id);
    let report = store::StatusReport {
        node,
        task,
        status,
        heard: None,
    };
    let report = store::TaskOp::Report(Box::new(report));
    bed.apply(store::Command::Tasks(vec![report])).unwrap();
    assert!(told(&bed, 1).endpoints.iter().all(|e| !e.serving));
}

#[test]
fn a_node_knows_its_own_networks_and_what_is_published() {
    let mut bed = Bed::with_nodes(3);
    let (blue, red) = (
        bed.network("blue", |_| ()).unwrap(),
        bed.network("red", |_| ()).unwrap(),
    );
    attach(&mut bed, "web", blue, Some("8080:80"));
    bed.converge();
    attach(&mut bed, "db", red, None);
    attach(&mut bed, "inner", blue, None);
    bed.converge();
    let (web, db, inner) = (told(&bed, 1), told(&bed, 2), told(&bed, 3));
    let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&web), (texts(&["blue"]), texts(&["inner", "web"])));
    assert_eq!(names(&db), (texts(&["blue", "red"]), texts(&["db", "web"])));
    assert_eq!(names(&inner), (texts(&["blue"]), texts(&["inner", "web"])));
    assert_eq!(web.endpoints.len(), 2, "all of blue");
    assert_eq!(db.endpoints.len(), 2, "its own, and the published one of blue");
    assert!(
        db.services
            .iter()
            .all(|s| s.name.as_str() != "web" || s.vips.is_empty()),
        "blue's VIPs are not for it"
    );
    assert_eq!(inner.services[0].aliases.len(), 1);
    assert_eq!((web.peers.len(), web.container_mtu, web.data_port), (3, 1450, 4789));
}

#[test]
fn an_endpoint_serves_while_its_task_runs_is_wanted_and_its_node_is_up() {
    let mut bed = Bed::with_nodes(2);
    let blue = bed.network("blue", |_| ()).unwrap();
    let web = attach(&mut bed, "web", blue, Some("8080:80"));
    let serving = |bed: &Bed| told(bed, 2).endpoints.iter().filter(|e| e.serving).count();
    bed.settle();
    assert_eq!(
        (told(&bed, 2).endpoints.len(), serving(&bed)),
        (1, 0),
        "known before it runs"
    );
    let task = bed.view().tasks_of_service(web).next().unwrap().id;
    bed.report(task, TaskState::Running);
    assert_eq!(serving(&bed), 1);
    bed.node_status(1, NodeState::Down);
    assert_eq!((told(&bed, 2).endpoints.len(), serving(&bed)), (1, 0));
    bed.node_status(1, NodeState::Ready);
    bed.update(web, |spec| spec.mode = model::Mode::Replicated { replicas: 0 });
    bed.settle();
    assert_eq!(serving(&bed), 0, "not wanted any more");
    let doomed: Vec<_> = told(&bed, 1).tasks.iter().map(|t| t.desired).collect();
    assert_eq!(doomed, [DesiredState::Remove], "its agent has to stop it");
    bed.report(task, TaskState::Shutdown);
    assert_eq!((told(&bed, 1).tasks.len(), told(&bed, 2).endpoints.len()), (0, 0));
}

#[test]
fn the_gateway_endpoint_is_the_first_network_with_a_way_out() {
    let mut bed = Bed::with_nodes(1);
    let inside = bed.network("inside", |spec| spec.internal = true).unwrap();
    let outside = bed.network("outside", |_| ()).unwrap();
    let web = bed.service("web", |spec| {
        let attachment = |network| model::NetworkAttachment {
            network,
            aliases: Vec::new(),
        };
        spec.networks = vec![attachment(inside), attachment(outside)];
    });
    bed.converge();
    let task = bed.view().tasks_of_service(web.unwrap()).next().unwrap().clone();
    let networks: Vec<_> = task.attachments.iter().map(|a| a.network).collect();
    assert_eq!(networks, [outside, inside]);
    let gateways = told(&bed, 1)
        .endpoints
        .into_iter()
        .filter(|e| e.gateway)
        .map(|e| e.network);
    assert_eq!(gateways.collect::<Vec<_>>(), [outside]);
}

#[test]
fn a_published_service_without_networks_is_reached_on_the_ingress_network() {
    let mut bed = Bed::with_nodes(2);
    bed.service("web", |spec| spec.ports = vec!["8080:80".parse().unwrap()])
        .unwrap();
    bed.converge();
    let view = told(&bed, 2);
    assert!(view.networks[0].ingress && view.endpoints[0].gateway && view.endpoints[0].serving);
    assert_eq!(view.endpoints[0].addr.to_string(), "10.0.0.2");
    assert!(view.services[0].vips.is_empty());
}

#[test]
fn old_tasks_take_published_traffic_in_the_network_that_their_service_has_left() {
    let mut bed = Bed::with_nodes(3);
    let blue = bed.network("blue", |_| ()).unwrap();
    let web = bed.service("web", |spec| {
        spec.mode = model::Mode::Replicated { replicas: 2 };
        spec.ports = vec!["8080:80".parse().unwrap()];
    });
    bed.converge();
    let before = bed.view().clone();
    bed.update(web.unwrap(), |spec| {
        spec.networks = vec![model::NetworkAttachment {
            network: blue,
            aliases: Vec::new(),
        }];
    });
    let view = told(&bed, 3);
    assert_eq!(
        names(&view).0,
        ["blue", "ingress"],
        "where new tasks will be, and old ones are"
    );
    assert_eq!(view.endpoints, node_view(&before, view.node, 1).unwrap().endpoints);
    assert!(view.endpoints.len() == 2 && view.endpoints.iter().all(|e| e.gateway && e.serving));
    bed.converge();
    let view = told(&bed, 3);
    assert_eq!(names(&view).0, ["blue"]);
    assert!(view.endpoints.len() == 2 && view.endpoints.iter().all(|e| e.network == blue && e.serving));
}

#[test]
fn nobody_is_told_anything_without_a_cluster() {
    assert_eq!(node_view(&store::State::default(), NodeId::from_bits(1), 1), None);
    assert_eq!(node_view(Bed::with_nodes(1).view(), NodeId::from_bits(9), 1), None);
}

#[test]
fn a_network_that_was_removed_is_not_told_although_a_doomed_task_is_in_it() {
    let mut bed = Bed::with_nodes(1);
    let blue = bed.network("blue", |_| ()).unwrap();
    let web = attach(&mut bed, "web", blue, None);
    bed.converge();
    let at = bed.now;
    bed.apply(store::Command::RemoveService { id: web, at }).unwrap();
    bed.apply(store::Command::RemoveNetwork { id: blue }).unwrap();
    let view = told(&bed, 1);
    assert_eq!((view.tasks.len(), view.networks.len(), view.endpoints.len()), (1, 0, 0));
}
