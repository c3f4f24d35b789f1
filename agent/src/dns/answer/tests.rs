//! Names as containers of one node see them.

use model::{NodeId, VirtualIp};

use super::*;
use crate::worker::fixture;

/// Tasks 1 and 2 of service `web` (virtual IP 10.1.0.2, alias `www`) on network `blue`.
fn view() -> NodeView {
    let mut view = fixture::view(&[1, 2]);
    let blue = NetworkId::from_bits(1);
    view.services = vec![ServiceView {
        id: ServiceId::from_bits(1),
        name: "web".parse().unwrap(),
        vips: vec![VirtualIp {
            network: blue,
            addr: "10.1.0.2".parse().unwrap(),
        }],
        aliases: vec![(blue, "www".parse().unwrap())],
        restart: None,
        canary: None,
        earlier_ports: Vec::new(),
        ports: vec![],
    }];
    view
}

fn ask(view: &NodeView, name: &str) -> Answer {
    answer(view, TaskId::from_bits(1), &Question::Address(name.to_owned()))
}

fn addresses(texts: &[&str]) -> Answer {
    Answer::Addresses(texts.iter().map(|t| t.parse().unwrap()).collect())
}

#[test]
fn a_service_and_its_aliases_are_its_virtual_address() {
    for name in ["web", "www", "web.blue"] {
        assert_eq!(ask(&view(), name), addresses(&["10.1.0.2"]), "{name}");
    }
}

#[test]
fn tasks_names_hold_only_tasks_that_take_traffic() {
    let mut view = view();
    assert_eq!(ask(&view, "tasks.web"), addresses(&["10.1.0.5", "10.1.0.6"]));
    view.endpoints[1].serving = false;
    assert_eq!(ask(&view, "tasks.www"), addresses(&["10.1.0.5"]));
    view.endpoints[0].serving = false;
    assert_eq!(ask(&view, "tasks.web"), addresses(&[]), "known, and nobody there");
}

#[test]
fn without_a_virtual_address_the_name_is_its_tasks() {
    let mut view = view();
    view.services[0].vips.clear();
    assert_eq!(ask(&view, "web"), addresses(&["10.1.0.5", "10.1.0.6"]));
}

#[test]
fn tasks_have_names_of_their_own_and_addresses_have_names() {
    let mut view = view();
    let name = format!("web.2.{}", TaskId::from_bits(2));
    assert_eq!(ask(&view, &name), addresses(&["10.1.0.6"]));
    let reverse =
        |view: &NodeView, addr: &str| answer(view, TaskId::from_bits(1), &Question::Name(addr.parse().unwrap()));
    assert_eq!(reverse(&view, "10.1.0.6"), Answer::Name(format!("{name}.blue")));
    assert_eq!(reverse(&view, "10.1.0.2"), Answer::Name("web.blue".to_owned()));
    assert_eq!(reverse(&view, "10.1.0.99"), Answer::Unknown, "ours, and nobody's");
    assert_eq!(reverse(&view, "192.0.2.1"), Answer::Elsewhere);
    std::sync::Arc::make_mut(&mut view.tasks[1].container).hostname = Some("Backend".to_owned());
    assert_eq!(ask(&view, "backend"), addresses(&["10.1.0.6"]));
    view.endpoints[1].serving = false;
    assert_eq!(ask(&view, "backend"), addresses(&[]));
}

#[test]
fn other_records_of_known_names_are_empty() {
    let question = Question::Other("web".to_owned());
    assert_eq!(answer(&view(), TaskId::from_bits(1), &question), addresses(&[]));
}

#[test]
fn unknown_names_leave_only_networks_with_a_way_out() {
    let mut view = view();
    assert_eq!(ask(&view, "example.com"), Answer::Elsewhere);
    view.networks[0].internal = true;
    assert_eq!(ask(&view, "example.com"), Answer::Unknown);
}

#[test]
fn the_ingress_network_knows_no_names_and_lets_others_be_asked() {
    let mut view = view();
    view.networks[0].ingress = true;
    assert_eq!(ask(&view, "web"), Answer::Elsewhere);
    assert_eq!(ask(&view, "tasks.web"), Answer::Elsewhere);
}

#[test]
fn names_of_networks_that_the_caller_is_not_in_stay_unknown() {
    let mut view = view();
    let mut green = view.networks[0].clone();
    green.id = NetworkId::from_bits(2);
    green.name = "green".parse().unwrap();
    view.networks.push(green);
    let mut secret = view.services[0].clone();
    secret.id = ServiceId::from_bits(2);
    secret.name = "secret".parse().unwrap();
    secret.vips[0].network = NetworkId::from_bits(2);
    secret.aliases.clear();
    view.services.push(secret);
    assert_eq!(ask(&view, "secret"), Answer::Elsewhere);
    view.tasks[0].attachments.push(model::Attachment {
        network: NetworkId::from_bits(2),
        addr: "10.2.0.5".parse().unwrap(),
        aliases: vec![],
    });
    assert_eq!(ask(&view, "secret"), addresses(&["10.1.0.2"]));
}

#[test]
fn strangers_are_refused() {
    let question = Question::Address("web".to_owned());
    assert_eq!(answer(&view(), TaskId::from_bits(77), &question), Answer::Refused);
    assert_ne!(view().node, NodeId::from_bits(77));
}
