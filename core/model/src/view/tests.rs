//! Deltas over arbitrary pairs of views.

use proptest::prelude::*;

use super::*;
use crate::{ContainerSpec, Timestamp};

fn task(id: u128, version: u64) -> Task {
    let service = (ServiceId::from_bits(1), "web".parse().unwrap());
    let container = ContainerSpec::of("image").into();
    Task {
        version,
        ..Task::new(TaskId::from_bits(id), service, Slot::MIN, container, Timestamp(0))
    }
}

fn endpoint(network: u128, id: u128, serving: bool) -> EndpointView {
    EndpointView {
        task: TaskId::from_bits(id),
        service: ServiceId::from_bits(1),
        slot: Slot::MIN,
        network: NetworkId::from_bits(network),
        addr: [10, 0, network as u8, id as u8].into(),
        node: NodeId::from_bits(1),
        gateway: true,
        serving,
        spec_version: 1,
    }
}

/// Of several kinds, each of which differs from the first in one thing.
fn service(id: u128, kind: u8) -> ServiceView {
    let alias = (kind == 1).then(|| (NetworkId::from_bits(1), "www".parse().unwrap()));
    ServiceView {
        id: ServiceId::from_bits(id),
        name: format!("s{id}").parse().unwrap(),
        vips: Vec::new(),
        aliases: alias.into_iter().collect(),
        restart: match kind {
            2 => Some(RestartPolicy::default()),
            3 => Some(RestartPolicy {
                condition: crate::RestartCondition::OnFailure,
                ..RestartPolicy::default()
            }),
            4 => Some(RestartPolicy {
                delay: std::time::Duration::from_millis(7),
                ..RestartPolicy::default()
            }),
            _ => None,
        },
        canary: None,
        earlier_ports: (1..kind.max(4) - 3).map(earlier).collect(),
        ports: Vec::new(),
    }
}

fn earlier(version: u8) -> EarlierPorts {
    EarlierPorts {
        spec_version: version.into(),
        ports: vec![PublishedPort {
            published: 80,
            target: 8080,
            protocol: crate::Protocol::Tcp,
            mode: crate::PublishMode::Ingress,
        }],
    }
}

prop_compose! {
    fn views()(
        seq in 1u64..100,
        container_mtu in 1400u16..1403,
        peers in prop::collection::btree_map(0u8..6, 0u8..2, 0..6),
        tasks in prop::collection::btree_map(0u8..9, 0u64..3, 0..9),
        endpoints in prop::collection::btree_map((0u8..3, 0u8..9), any::<bool>(), 0..20),
        services in prop::collection::btree_map(0u8..6, 0u8..7, 0..6),
    ) -> NodeView {
        let peer = |(id, last): (u8, u8)| PeerView {
            node: NodeId::from_bits(id.into()),
            hostname: format!("n{id}"),
            vtep: [192, 0, 2, last].into(),
        };
        let endpoints = endpoints.into_iter();
        NodeView {
            seq,
            cluster: ClusterId::from_bits(1),
            node: NodeId::from_bits(1),
            data_port: 4789,
            container_mtu,
            peers: peers.into_iter().map(peer).collect(),
            networks: Vec::new(),
            tasks: tasks.into_iter().map(|(id, version)| task(id.into(), version)).collect(),
            endpoints: endpoints.map(|((net, id), serving)| endpoint(net.into(), id.into(), serving)).collect(),
            services: services.into_iter().map(|(id, kind)| service(id.into(), kind)).collect(),
            payloads: Vec::new(),
        }
    }
}

proptest! {
    #[test]
    fn a_delta_makes_the_new_view_out_of_the_old_one(old in views(), new in views()) {
        let delta = ViewDelta::between(&old, &new);
        prop_assert_eq!(old.apply(&delta), Ok(new.clone()));
        let same = old.checksum() == new.checksum();
        let unlike = NodeView { seq: old.seq, ..new.clone() } != old;
        prop_assert_eq!(same, !unlike, "checksums tell views apart");
        let (put, gone): (Vec<_>, &[_]) = (delta.endpoints.put.iter().map(Row::key).collect(), &delta.endpoints.gone);
        prop_assert!(put.iter().all(|key| !gone.contains(key)));
    }

    #[test]
    fn a_cleared_network_keeps_only_what_is_put(old in views(), new in views()) {
        let mut delta = ViewDelta::between(&old, &new);
        let cleared = NetworkId::from_bits(1);
        delta.cleared.push(cleared);
        delta.endpoints.gone.retain(|(network, _)| *network != cleared);
        let all = new.endpoints.iter().filter(|e| e.network == cleared && !delta.endpoints.put.contains(e));
        let missing: Vec<_> = all.cloned().collect();
        delta.endpoints.put.extend(missing);
        delta.endpoints.put.sort_by_key(Row::key);
        prop_assert_eq!(old.apply(&delta), Ok(new));
    }
}

#[test]
fn a_gap_and_a_drift_are_told() {
    let view = |seq, tasks: &[u128]| NodeView {
        seq,
        cluster: ClusterId::from_bits(1),
        node: NodeId::from_bits(1),
        data_port: 4789,
        container_mtu: 1450,
        peers: Vec::new(),
        networks: Vec::new(),
        tasks: tasks.iter().map(|id| task(*id, 1)).collect(),
        endpoints: Vec::new(),
        services: Vec::new(),
        payloads: Vec::new(),
    };
    let (old, new) = (view(3, &[1]), view(5, &[1, 2]));
    let delta = ViewDelta::between(&old, &new);
    assert_eq!(delta.rows(), 1);
    assert_eq!(view(4, &[1]).apply(&delta), Err(Unfit::Gap { base: 3, have: 4 }));
    let other = view(3, &[7]).apply(&delta);
    assert!(
        matches!(other, Err(Unfit::Drift { seq: 5, want, found }) if want == new.checksum() && found != want),
        "{other:?}"
    );
}
