//! What nodes have to have: resources, drivers, platforms, room.

use model::{
    ContainerSpec, Driver, GenericResource, Mode, Mount, MountKind, NodeState, Platform, ServiceId, ServiceSpec, Task,
};

use crate::testbed::{Bed, running, tasks, web};

/// Nodes with 4 cores and 4 GiB each.
fn machines(count: u128) -> Bed {
    let mut bed = Bed::with_nodes(count);
    for id in 1..=count {
        bed.describe(id, |machine| {
            machine.nano_cpus = 4_000_000_000;
            machine.memory_bytes = 4 << 30;
        });
    }
    bed
}

fn service(bed: &mut Bed, name: &str, replicas: u32, change: impl FnOnce(&mut ServiceSpec)) -> ServiceId {
    let made = bed.service(name, |spec| {
        spec.mode = Mode::Replicated { replicas };
        change(spec);
    });
    bed.converge();
    made.unwrap()
}

/// What the tasks of a service say that have no node.
fn errors(bed: &Bed, service: ServiceId) -> Vec<String> {
    let waiting = tasks(bed, service, |task| task.is_live() && task.node.is_none());
    waiting.into_iter().map(|task| task.status.err).collect()
}

fn memory(gib: i64) -> impl Fn(&mut ServiceSpec) {
    move |spec| spec.container.resources.reservations.memory_bytes = gib << 30
}

fn generic(text: &str) -> impl Fn(&mut ServiceSpec) {
    let wish: GenericResource = text.parse().unwrap();
    move |spec| spec.container.resources.reservations.generic = vec![wish.clone()]
}

fn volume(driver: &str) -> Mount {
    let driver = Driver {
        name: driver.into(),
        ..Driver::default()
    };
    Mount {
        kind: MountKind::Volume {
            no_copy: false,
            labels: Default::default(),
            driver: Some(driver),
            subpath: String::new(),
        },
        source: "data".into(),
        target: "/data".into(),
        read_only: false,
    }
}

#[test]
fn reservations_not_usage_decide_and_count_until_a_task_has_ended() {
    let mut bed = machines(2);
    let big = service(&mut bed, "big", 3, memory(3));
    assert_eq!(
        errors(&bed, big),
        ["no suitable node (insufficient resources on 2 nodes)"]
    );
    let half = service(&mut bed, "half", 2, |spec| {
        spec.container.resources.reservations.nano_cpus = 2_500_000_000
    });
    assert_eq!(running(&bed, half).len(), 2, "cores are another matter");
    bed.update(big, |spec| spec.mode = Mode::Replicated { replicas: 0 });
    let next = bed.service("next", memory(2)).unwrap();
    bed.settle();
    assert_eq!(
        errors(&bed, next),
        ["no suitable node (insufficient resources on 2 nodes)"]
    );
    bed.agents();
    bed.settle_dirty();
    assert_eq!(errors(&bed, next).len(), 0, "the big ones have stopped");
}

#[test]
fn each_filter_counts_the_nodes_that_it_turns_away_first() {
    let mut bed = machines(4);
    bed.node_status(1, NodeState::Down);
    bed.describe(2, |machine| machine.memory_bytes = 1 << 30);
    bed.describe(3, |machine| machine.plugins = vec!["Log/json-file".into()]);
    let picky = service(&mut bed, "picky", 1, |spec| {
        memory(2)(spec);
        spec.container.log_driver = Some(Driver {
            name: "syslog".into(),
            ..Driver::default()
        });
        spec.placement.platforms = vec![Platform {
            os: "linux".into(),
            arch: "arm64".into(),
        }];
    });
    let words = "no suitable node (1 node not available for new tasks; insufficient resources on 1 node; \
                 missing plugin on 1 node; unsupported platform on 1 node)";
    assert_eq!(errors(&bed, picky), [words]);
    bed.update(picky, |spec| {
        spec.placement.constraints = vec!["node.role==manager".parse().unwrap()]
    });
    bed.converge();
    let words = "no suitable node (1 node not available for new tasks; insufficient resources on 1 node; \
                 missing plugin on 1 node; scheduling constraints not satisfied on 1 node)";
    assert_eq!(errors(&bed, picky), [words]);
}

#[test]
fn a_service_goes_where_its_drivers_are() {
    let mut bed = machines(3);
    let plugins = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    bed.describe(1, |machine| machine.plugins = plugins(&["Log/syslog", "Volume/local"]));
    bed.describe(2, |machine| {
        machine.plugins = plugins(&["Log/syslog", "Volume/local", "Volume/nfs:latest"])
    });
    bed.describe(3, |machine| {
        machine.plugins = plugins(&["Volume/local", "Volume/ceph:latest"])
    });
    let on = |bed: &Bed, service| {
        let tasks = tasks(bed, service, |task| task.is_live());
        let mut nodes: Vec<u128> = tasks.iter().filter_map(|task| Some(task.node?.bits())).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    };
    let volume = |driver: &str| {
        let mount = volume(driver);
        move |spec: &mut ServiceSpec| spec.container.mounts = vec![mount]
    };
    let files = service(&mut bed, "files", 3, volume("nfs"));
    assert_eq!(on(&bed, files), [2]);
    let plain = service(&mut bed, "plain", 3, volume("local"));
    assert_eq!(on(&bed, plain), [1, 2, 3]);
    let lost = service(&mut bed, "lost", 1, volume("zfs"));
    assert_eq!(errors(&bed, lost), ["no suitable node (missing plugin on 3 nodes)"]);
    let logs = service(&mut bed, "logs", 3, |spec| {
        spec.container.log_driver = Some(Driver {
            name: "gelf".into(),
            ..Driver::default()
        });
    });
    assert_eq!(on(&bed, logs), [3], "its engine does not say which log drivers it has");
}

#[test]
fn a_node_has_no_more_tasks_of_a_service_than_it_may() {
    let (bed, web) = web(2, 5, |spec| spec.placement.max_replicas = 2);
    assert_eq!(running(&bed, web).len(), 4);
    assert_eq!(
        errors(&bed, web),
        ["no suitable node (max replicas per node limit exceed)"]
    );
}

#[test]
fn named_resources_are_given_by_name_and_numbers_by_number() {
    let mut bed = machines(2);
    let offer = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    bed.describe(1, |machine| {
        machine.generic_resources = offer(&["gpu=a", "gpu=b", "gpu=c"])
    });
    bed.describe(2, |machine| machine.generic_resources = offer(&["gpu=3"]));
    let render = service(&mut bed, "render", 3, generic("gpu=2"));
    let given = |bed: &Bed| {
        let placed = tasks(bed, render, |task| task.is_live() && task.node.is_some());
        let text = |task: &Task| {
            task.generic_resources
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        placed.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(given(&bed), [vec!["gpu=a", "gpu=b"], vec!["gpu=2"]]);
    assert_eq!(
        errors(&bed, render),
        ["no suitable node (insufficient resources on 2 nodes)"]
    );
    let one = service(&mut bed, "one", 3, generic("gpu=1"));
    assert_eq!(
        (running(&bed, one).len(), errors(&bed, one).len()),
        (2, 1),
        "the last of both nodes"
    );
}

#[test]
fn host_ports_are_the_tasks_own() {
    let port = |text: &str| vec![text.parse().unwrap()];
    let (mut bed, web) = web(1, 1, |spec| spec.ports = port("published=80,target=80,mode=host"));
    assert_eq!(tasks(&bed, web, |_| true)[0].host_ports[0].published, 80);
    let api = service(&mut bed, "api", 1, |spec| {
        spec.ports = port("published=80,target=80,protocol=udp,mode=host")
    });
    assert_eq!(running(&bed, api).len(), 1, "another protocol is another port");
    let late = service(&mut bed, "late", 1, |spec| {
        spec.ports = port("published=80,target=80,mode=host")
    });
    let words = ["no suitable node (host-mode port already in use on 1 node)"];
    assert_eq!(errors(&bed, late), words);
    bed.update(web, |spec| spec.ports = Vec::new());
    bed.settle();
    assert_eq!(errors(&bed, late), words, "the task that has it has not stopped yet");
    bed.converge();
    assert_eq!(running(&bed, late).len(), 1);
}

#[test]
fn a_node_that_becomes_smaller_keeps_what_came_first() {
    let mut bed = machines(2);
    bed.node_spec(2, |spec| spec.availability = model::Availability::Pause);
    let three = service(&mut bed, "three", 3, memory(1));
    let other = service(&mut bed, "other", 1, |spec| spec.container = ContainerSpec::of("image"));
    bed.node_spec(2, |spec| spec.availability = model::Availability::Active);
    bed.describe(1, |machine| machine.memory_bytes = 2 << 30);
    bed.settle_dirty();
    bed.converge();
    let at = |task: &Task| (task.slot.get(), task.node.unwrap().bits());
    let placed: Vec<_> = tasks(&bed, three, Task::is_live).iter().map(at).collect();
    assert_eq!(placed, [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(tasks(&bed, other, |_| true).len(), 1, "what reserves nothing stays");
}
