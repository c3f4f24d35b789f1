//! The network thread over fakes: what it answers, and that it starts clean.

use std::{net::IpAddr, sync::Arc};

use model::{ClusterId, EndpointView, Mac, NetworkId, NetworkView, NodeId, NodeView, PeerView, ServiceId, TaskId};
use tokio::sync::mpsc;

use super::*;
use crate::{datapath::FakeDatapath, link::FakeLinks};

const NODE: NodeId = NodeId::from_bits(1);
const BLUE: NetworkId = NetworkId::from_bits(2);
const TASK: TaskId = TaskId::from_bits(3);

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn view(seq: u64, endpoints: Vec<EndpointView>) -> CurrentView {
    CurrentView::from_managers(Arc::new(NodeView {
        seq,
        cluster: ClusterId::from_bits(1),
        node: NODE,
        data_port: 4789,
        container_mtu: 1450,
        peers: vec![PeerView {
            node: NODE,
            hostname: "n1".to_owned(),
            vtep: ip("192.0.2.1"),
        }],
        networks: vec![NetworkView {
            id: BLUE,
            name: "blue".parse().unwrap(),
            vni: 4097.try_into().unwrap(),
            subnet: "10.1.0.0/24".parse().unwrap(),
            gateway: ip("10.1.0.1"),
            internal: false,
            ingress: false,
        }],
        tasks: Vec::new(),
        endpoints,
        services: Vec::new(),
        payloads: Vec::new(),
    }))
}

pub(super) fn endpoint() -> EndpointView {
    EndpointView {
        task: TASK,
        service: ServiceId::from_bits(1),
        slot: 1.try_into().unwrap(),
        network: BLUE,
        addr: ip("10.1.0.3"),
        node: NODE,
        gateway: true,
        serving: true,
        spec_version: 1,
    }
}

pub(super) fn spec() -> EndpointSpec {
    EndpointSpec {
        task: TASK,
        network: BLUE,
        address: "10.1.0.3/24".parse().unwrap(),
        mac: Mac::of(ip("10.1.0.3")),
        gateway: None,
        device: "eth0".to_owned(),
    }
}

/// Links in memory go anywhere.
pub(super) fn namespace() -> Namespace {
    Arc::new(std::fs::File::open("/proc/self/ns/net").unwrap())
}

fn start_fake() -> NetHandle {
    let (handle, _opening) = begin_with(|| {
        let (_, events) = mpsc::channel(1);
        let links = FakeLinks::with_uplink("eth0", ip("192.0.2.1"));
        Ok((Owner::new(links, FakeDatapath::default(), 7), events))
    })
    .unwrap();
    handle
}

#[tokio::test]
async fn what_is_asked_before_the_network_is_open_is_done_once_it_is() {
    let (open, opens) = std::sync::mpsc::channel::<()>();
    let (handle, opening) = begin_with(move || {
        let _ = opens.recv();
        let (_, events) = mpsc::channel(1);
        let links = FakeLinks::with_uplink("eth0", ip("192.0.2.1"));
        Ok((Owner::new(links, FakeDatapath::default(), 7), events))
    })
    .unwrap();
    let asked = tokio::spawn(async move { handle.counts().await });
    tokio::task::yield_now().await;
    assert!(!asked.is_finished());
    open.send(()).unwrap();
    opening.done().await.unwrap();
    assert!(asked.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_network_that_cannot_be_opened_says_why_to_everybody() {
    let open = || Err::<(Owner<FakeLinks, FakeDatapath>, _), _>(fail("no netlink"));
    let (handle, opening) = begin_with(open).unwrap();
    assert_eq!(opening.done().await, Err(fail("no netlink")));
    assert!(handle.counts().await.is_err());
}

fn count(counts: &Counts, name: &str) -> u64 {
    counts.iter().find(|(n, _)| n == name).map_or(0, |(_, count)| *count)
}

#[tokio::test]
async fn an_endpoint_is_served_before_the_answer() {
    let network = start_fake();
    network.reconcile(view(1, vec![endpoint()])).await.unwrap();
    assert_eq!(count(&network.counts().await.unwrap(), "map PORT"), 1, "the uplink");
    network.ensure_endpoint(spec(), namespace()).await.unwrap();
    let counts = network.counts().await.unwrap();
    assert_eq!((count(&counts, "map PORT"), count(&counts, "map ENDPOINT")), (2, 1));
    let clients = network.dns_clients().borrow().clone();
    assert_eq!(clients.get(&1), Some(&(TASK, BLUE)));
}

#[tokio::test]
async fn a_task_that_the_view_does_not_have_gets_no_link() {
    let network = start_fake();
    let error = network.ensure_endpoint(spec(), namespace()).await.unwrap_err();
    assert!(error.to_string().contains("not been told"), "{error}");
    network.reconcile(view(1, vec![])).await.unwrap();
    let error = network.ensure_endpoint(spec(), namespace()).await.unwrap_err();
    assert!(error.to_string().contains(&TASK.to_string()), "{error}");
}

#[tokio::test]
async fn the_report_names_the_last_view_that_the_kernel_has() {
    let network = start_fake();
    assert_eq!(network.report().borrow().applied, None);
    network.reconcile(view(4, vec![])).await.unwrap();
    assert_eq!(network.report().borrow().applied, Some(4));
}

#[tokio::test]
async fn links_of_a_task_that_has_left_the_view_are_deleted() {
    let network = start_fake();
    network.reconcile(view(1, vec![endpoint()])).await.unwrap();
    network.ensure_endpoint(spec(), namespace()).await.unwrap();
    network.reconcile(view(2, vec![])).await.unwrap();
    let counts = network.counts().await.unwrap();
    let name = plan::network::link_name(TASK, BLUE);
    assert_eq!(count(&counts, &format!("link {name}")), 0);
}

#[tokio::test]
async fn a_saved_view_is_no_reason_to_delete_the_link_of_a_container_that_it_does_not_name() {
    let network = start_fake();
    network.reconcile(view(2, vec![endpoint()])).await.unwrap();
    network.ensure_endpoint(spec(), namespace()).await.unwrap();
    let saved = CurrentView {
        confirmed: false,
        ..view(1, vec![])
    };
    let link = format!("link {}", plan::network::link_name(TASK, BLUE));
    for (told, left) in [(saved, 1), (view(1, vec![]), 0)] {
        network.reconcile(told.clone()).await.unwrap();
        let counts = network.counts().await.unwrap();
        for (what, others) in [(link.as_str(), 0), ("map PORT", 1), ("map ENDPOINT", 0)] {
            assert_eq!(
                count(&counts, what),
                left + others,
                "{what}, confirmed: {}",
                told.confirmed
            );
        }
    }
}

#[tokio::test]
async fn nothing_answers_after_everything_was_taken_down() {
    let network = start_fake();
    network.reconcile(view(1, vec![])).await.unwrap();
    network.detach_all().await.unwrap();
    let error = network.counts().await.unwrap_err();
    assert!(error.to_string().contains("taken down"), "{error}");
}
