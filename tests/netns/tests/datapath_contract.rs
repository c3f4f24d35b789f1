//! What every datapath must do, run on the fake and on the kernel, there with both ways to attach.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, net::IpAddr};

use abi::{
    ABI_VERSION, Addr, Backend, Be16, Config, DnsClient, Endpoint, EndpointKey, Frontend, FrontendKey, Port, Slot,
};
use plan::network::{Op, Tables, diff};

use agent::datapath::{Datapath, DatapathPaths, FakeDatapath, KernelDatapath, Mode};
use anyhow::Result;
use aya::programs::{SchedClassifier, TcAttachType};
use netns::{Bpffs, Cgroup, Ns};
use plan::network::Hook;

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

/// A program is on the device as long as it is wanted, and one replaces another.
fn programs_come_and_go(datapath: &mut impl Datapath, ifindex: u32) {
    for hook in [Hook::FromContainer, Hook::FromContainer, Hook::FromUplink] {
        datapath.apply(&Op::Attach { ifindex, hook }).unwrap();
        assert_eq!(datapath.dump().unwrap().hooks, BTreeMap::from([(ifindex, hook)]));
    }
    let hook = Hook::FromUplink;
    datapath.apply(&Op::Detach { ifindex, hook }).unwrap();
    datapath.apply(&Op::Detach { ifindex, hook }).unwrap();
    assert_eq!(datapath.dump().unwrap().hooks, BTreeMap::new());
}

fn run(datapath: &mut impl Datapath, ifindex: u32) {
    what_is_written_is_read_back(datapath);
    steps_may_be_repeated(datapath);
    rings_outside_of_the_array_are_refused(datapath);
    programs_come_and_go(datapath, ifindex);
}

#[test]
fn the_fake_keeps_the_contract() {
    run(&mut FakeDatapath::default(), 2);
}

/// A namespace with one device, and a datapath in it.
fn on_the_kernel(mode: Mode, test: impl FnOnce(&DatapathPaths, u32) + Send) -> Result<()> {
    let (ns, bpffs, cgroup) = (Ns::new()?, Bpffs::new()?, Cgroup::new()?);
    ns.ip("link add name one type veth peer name two\nlink set dev one up")?;
    let paths = DatapathPaths {
        bpffs: bpffs.path().join("node"),
        cgroup: Some(cgroup.path().to_owned()),
    };
    ns.run(|| {
        let ifindex = nix::net::if_::if_nametoindex("one").unwrap();
        test(&paths, ifindex);
        KernelDatapath::open_with(&paths, mode).unwrap().detach_all().unwrap();
        assert!(!paths.bpffs.join("v1").exists(), "nothing is left");
    });
    Ok(())
}

fn attached_programs(mode: Mode) -> usize {
    match mode {
        Mode::Tcx => SchedClassifier::query_tcx("one", TcAttachType::Ingress)
            .unwrap()
            .1
            .len(),
        Mode::Clsact => {
            let command = ["filter", "show", "dev", "one", "ingress"];
            let output = std::process::Command::new("tc").args(command).output().unwrap();
            String::from_utf8_lossy(&output.stdout).matches("direct-action").count()
        }
    }
}

fn hooks_are_adopted(mode: Mode) -> Result<()> {
    on_the_kernel(mode, |paths, ifindex| {
        let hook = Hook::FromUplink;
        let mut first = KernelDatapath::open_with(paths, mode).unwrap();
        first.apply(&Op::Attach { ifindex, hook }).unwrap();
        let config = sample().config;
        first.apply(&Op::SetConfig(config.unwrap())).unwrap();
        drop(first);
        assert_eq!(attached_programs(mode), 1, "it stays when the daemon goes");
        let tables = KernelDatapath::open_with(paths, mode).unwrap().dump().unwrap();
        assert_eq!(tables.hooks, BTreeMap::from([(ifindex, hook)]));
        assert_eq!(tables.config, config, "rows are adopted too");
        assert_eq!(attached_programs(mode), 1, "replaced, not added");
        KernelDatapath::open_with(paths, mode)
            .unwrap()
            .apply(&Op::Detach { ifindex, hook })
            .unwrap();
        assert_eq!(attached_programs(mode), 0);
    })
}

#[test]
fn the_kernel_keeps_the_contract_with_tcx() -> Result<()> {
    on_the_kernel(Mode::Tcx, |paths, ifindex| {
        run(&mut KernelDatapath::open_with(paths, Mode::Tcx).unwrap(), ifindex)
    })
}

#[test]
fn the_kernel_keeps_the_contract_with_clsact() -> Result<()> {
    let mode = Mode::Clsact;
    on_the_kernel(mode, |paths, ifindex| {
        run(&mut KernelDatapath::open_with(paths, mode).unwrap(), ifindex)
    })
}

#[test]
fn a_restart_adopts_tcx_links() -> Result<()> {
    hooks_are_adopted(Mode::Tcx)
}

#[test]
fn a_restart_adopts_clsact_filters() -> Result<()> {
    hooks_are_adopted(Mode::Clsact)
}
