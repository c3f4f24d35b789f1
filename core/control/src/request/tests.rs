//! What users get when they ask for networks, addresses and ports, and what they are told when they cannot have them.

use model::{EndpointMode, Mode, NetworkAttachment, NetworkId, NodeId, PortSpec, Service, ServiceSpec};
use store::{Command, Refused};

use super::*;
use crate::testbed::Bed;

fn text<T: std::fmt::Debug>(refused: Result<T, Refused>) -> String {
    refused.unwrap_err().to_string()
}

fn publish(port: &str) -> impl FnOnce(&mut ServiceSpec) {
    let port: PortSpec = port.parse().unwrap();
    move |spec| spec.ports = vec![port]
}

fn on(network: NetworkId) -> impl FnOnce(&mut ServiceSpec) {
    move |spec| {
        spec.networks = vec![NetworkAttachment {
            network,
            aliases: Vec::new(),
        }]
    }
}

#[test]
fn networks_get_segments_and_subnets_in_order_around_what_hosts_have() {
    let mut bed = Bed::with_nodes(1);
    let of = |bed: &Bed, id| {
        bed.view()
            .network(id)
            .map(|n| format!("{} {} {}", n.vni, n.subnet, n.gateway))
            .unwrap()
    };
    assert_eq!(of(&bed, NetworkId::from_bits(100)), "4096 10.0.0.0/16 10.0.0.1");
    let blue = bed.network("blue", |_| ()).unwrap();
    assert_eq!(of(&bed, blue), "4097 10.1.0.0/24 10.1.0.1");
    let mut described = bed.view().node(NodeId::from_bits(1)).unwrap().clone();
    let description = described.description.as_mut().unwrap();
    description.taken_prefixes.push("10.1.1.128/25".parse().unwrap());
    bed.apply(Command::UpsertNode(Box::new(described))).unwrap();
    let red = bed.network("red", |_| ()).unwrap();
    assert_eq!(of(&bed, red), "4098 10.1.2.0/24 10.1.2.1");
    bed.apply(Command::RemoveNetwork { id: blue }).unwrap();
    let again = bed.network("again", |_| ()).unwrap();
    assert_eq!(of(&bed, again), "4097 10.1.0.0/24 10.1.0.1");
}

#[test]
fn subnets_that_cannot_work_are_refused_with_what_is_in_the_way() {
    let mut bed = Bed::with_nodes(1);
    bed.network("blue", |_| ()).unwrap();
    let mut wish = |subnet: &str| text(bed.network("x", |spec| spec.subnet = Some(subnet.parse().unwrap())));
    for (subnet, why) in [
        ("10.1.0.0/25", "subnet 10.1.0.0/25 overlaps network blue (10.1.0.0/24)"),
        (
            "192.168.0.0/16",
            "overlaps 192.168.0.0/24, which node n1 routes or has an address in",
        ),
        (
            "169.254.63.0/24",
            "overlaps the link-local range, which the nodes use inside",
        ),
        ("fd00::/64", "invalid subnet fd00::/64"),
        ("fd00::/24", "is IPv6, which networks do not have yet"),
        ("10.9.0.0/30", "invalid subnet 10.9.0.0/30"),
    ] {
        let refused = wish(subnet);
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(
        text(bed.network("blue", |_| ())),
        "name conflicts with an existing object: network blue already exists"
    );
    assert_eq!(
        text(bed.network("more", |spec| spec.ingress = true)),
        "ingress network ingress is already present"
    );
}

#[test]
fn a_second_init_is_refused() {
    let bed = Bed::with_nodes(1);
    let cluster = bed.view().cluster().unwrap().clone();
    let node = bed.view().node(NodeId::from_bits(1)).unwrap().clone();
    let again = plan_init(bed.view(), cluster, node, NetworkId::from_bits(7));
    assert_eq!(again, Err(Refused::ClusterExists));
}

#[test]
fn ports_are_given_or_refused_by_name() {
    let mut bed = Bed::with_nodes(1);
    let mut held = bed.view().node(NodeId::from_bits(1)).unwrap().clone();
    let holder = "sshd".to_owned();
    let port = model::HeldPort {
        port: 30001,
        protocol: model::Protocol::Tcp,
        holder,
    };
    held.description.as_mut().unwrap().held_ports.push(port);
    bed.apply(Command::UpsertNode(Box::new(held))).unwrap();
    let web = bed.service("web", publish("8080:80")).unwrap();
    let refused = text(bed.service("b", publish("8080:80")));
    assert_eq!(
        refused,
        format!("port '8080' is already in use by service 'web' ({web}) as an ingress port")
    );
    for port in ["2377:80", "4789:80/udp", "61000:80", "65535:80"] {
        assert!(
            text(bed.service("b", publish(port))).contains("is the cluster's own"),
            "{port}"
        );
    }
    let mut given = |name| {
        let id = bed.service(name, publish("80")).unwrap();
        bed.view().service(id).unwrap().ports[0].published
    };
    assert_eq!((given("c"), given("d")), (30000, 30002), "30001 is held by a host");
    assert!(bed.service("e", publish("8080:80/udp")).is_ok(), "another protocol");
}

#[test]
fn virtual_ips_are_given_per_network_and_stay_through_updates() {
    let mut bed = Bed::with_nodes(1);
    let (blue, red) = (
        bed.network("blue", |_| ()).unwrap(),
        bed.network("red", |_| ()).unwrap(),
    );
    let web = bed.service("web", on(blue)).unwrap();
    let vips = |bed: &Bed| {
        let service: &Service = bed.view().service(web).unwrap();
        service.vips.iter().map(|vip| vip.addr.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(vips(&bed), ["10.1.0.2"]);
    bed.update(web, |spec| {
        spec.networks.push(NetworkAttachment {
            network: red,
            aliases: Vec::new(),
        });
        spec.ports = vec!["80".parse().unwrap()];
    });
    assert_eq!(vips(&bed), ["10.1.0.2", "10.1.1.2"]);
    bed.update(web, |spec| spec.mode = Mode::Replicated { replicas: 2 });
    assert_eq!(
        bed.view().service(web).unwrap().ports[0].published,
        30000,
        "the same as before"
    );
    bed.update(web, |spec| {
        spec.ports.clear();
        spec.endpoint_mode = EndpointMode::Dnsrr;
    });
    assert_eq!(vips(&bed), [""; 0]);
}

#[test]
fn unknown_and_ingress_networks_cannot_be_joined_by_name() {
    let mut bed = Bed::with_nodes(1);
    let refused = text(bed.service("web", on(NetworkId::from_bits(77))));
    assert_eq!(refused, "network 0000000000000000000000025 not found");
    let refused = text(bed.service("web", on(NetworkId::from_bits(100))));
    assert_eq!(
        refused,
        "Service cannot be explicitly attached to the ingress network \"ingress\""
    );
    bed.apply(Command::RemoveNetwork {
        id: NetworkId::from_bits(100),
    })
    .unwrap();
    assert!(text(bed.service("web", |_| ())).starts_with("there is no ingress network"));
}

#[test]
fn the_ingress_network_and_networks_in_use_cannot_be_removed() {
    let mut bed = Bed::with_nodes(1);
    let blue = bed.network("blue", |_| ()).unwrap();
    let web = bed.service("web", on(blue)).unwrap();
    bed.converge();
    assert_eq!(
        text(bed.apply(Command::RemoveNetwork { id: blue })),
        "network blue is in use by service web"
    );
    bed.service("plain", |_| ()).unwrap();
    let ingress = text(bed.apply(Command::RemoveNetwork {
        id: NetworkId::from_bits(100),
    }));
    assert_eq!(
        ingress,
        "ingress network cannot be removed because service plain depends on it"
    );
    bed.apply(Command::RemoveService { id: web, at: bed.now }).unwrap();
    bed.apply(Command::RemoveNetwork { id: blue }).unwrap();
    bed.converge();
}
