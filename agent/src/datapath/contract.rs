//! What every datapath must do, run on the fake and, as root, on the kernel.

use std::net::IpAddr;

use abi::{
    ABI_VERSION, Addr, Backend, Be16, Config, DnsClient, Endpoint, EndpointKey, Frontend, FrontendKey, Port, Slot,
};
use plan::network::{Op, Tables, diff};

use super::{Datapath, FakeDatapath};

fn addr(text: &str) -> Addr {
    text.parse::<IpAddr>().unwrap().into()
}

/// One row of each map, and a ring.
fn sample() -> Tables {
    let mut tables = Tables {
        config: Some(Config {
            abi_version: ABI_VERSION,
            data_port: Be16::new(4789),
            ..Config::default()
        }),
        ..Tables::default()
    };
    let endpoint = EndpointKey {
        vni: 4097,
        addr: addr("10.1.0.3"),
    };
    let frontend = Frontend {
        ring_base: 1021,
        ring_slots: 3,
        service: 7,
        flags: 0,
    };
    let slots = [1, 0, 1].map(|owner| Slot {
        owner,
        earlier: [2, 0, 0],
    });
    tables.host_addrs.insert(addr("192.0.2.1"));
    tables.peers.insert(addr("192.0.2.2"));
    tables.endpoints.insert(endpoint, Endpoint::default());
    tables.dns_clients.insert(
        5,
        DnsClient {
            ifindex: 9,
            ..DnsClient::default()
        },
    );
    tables.ports.insert(
        9,
        Port {
            vni: 4097,
            index: 5,
            ..Port::default()
        },
    );
    tables.backends.insert(
        1,
        Backend {
            vni: 4097,
            ..Backend::default()
        },
    );
    tables.rings.insert(1021, slots.to_vec());
    tables.frontends.insert(
        FrontendKey {
            scope: 4097,
            ..FrontendKey::default()
        },
        frontend,
    );
    tables
}

fn converge(datapath: &mut impl Datapath, target: &Tables) {
    let actual = datapath.dump().unwrap();
    for op in diff(&actual, target) {
        datapath.apply(&op).unwrap();
    }
}

fn what_is_written_is_read_back(datapath: &mut impl Datapath) {
    let sample = sample();
    converge(datapath, &sample);
    assert_eq!(datapath.dump().unwrap(), sample);
    assert_eq!(diff(&datapath.dump().unwrap(), &sample), []);
}

fn steps_may_be_repeated(datapath: &mut impl Datapath) {
    for op in diff(&Tables::default(), &sample()) {
        datapath.apply(&op).unwrap();
        datapath.apply(&op).unwrap();
    }
    let without = Tables {
        config: sample().config,
        ..Tables::default()
    };
    for op in diff(&sample(), &without) {
        datapath.apply(&op).unwrap();
        datapath.apply(&op).unwrap();
    }
    assert_eq!(datapath.dump().unwrap(), without);
}

fn rings_outside_of_the_array_are_refused(datapath: &mut impl Datapath) {
    let op = Op::WriteRing {
        base: abi::RING_MAX - 1,
        slots: vec![Slot::default(); 2],
    };
    assert!(datapath.apply(&op).is_err());
}

fn run(datapath: &mut impl Datapath) {
    what_is_written_is_read_back(datapath);
    steps_may_be_repeated(datapath);
    rings_outside_of_the_array_are_refused(datapath);
}

#[test]
fn the_fake_keeps_the_contract() {
    run(&mut FakeDatapath::default());
}

#[test]
fn the_fake_has_the_limits_of_the_kernel() {
    let mut fake = FakeDatapath::default();
    for number in 0..abi::HOST_ADDR_MAX {
        fake.apply(&Op::PutHostAddr(IpAddr::from(number.to_be_bytes()).into()))
            .unwrap();
    }
    let error = fake.apply(&Op::PutHostAddr(addr("192.0.2.1"))).unwrap_err();
    assert!(error.to_string().contains("HOST_ADDR is full"), "{error}");
}
