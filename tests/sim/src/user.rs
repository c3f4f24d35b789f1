//! The user of the simulation: creates, scales, updates and removes services, networks, secrets and configs, drains and
//! removes nodes, at random. A request is sent until its outcome is known, sometimes twice.

mod payload;

use std::time::Duration;

use control::{plan_abort_canary, plan_create_network, plan_create_service, plan_promote_canary, plan_update_service};
use model::{
    Availability, Mode, NetworkAttachment, NetworkId, NetworkSpec, NodeState, PortSpec, Ratio, RequestId,
    RestartCondition, RestartPolicy, Service, ServiceId, ServiceSpec, Timestamp,
};
use store::{Command, Entry, Refused, View};

use crate::dice::Dice;

/// A request at random; `None` if there is nothing to do it to, or if it is refused right away.
pub fn request(view: &View, now: Timestamp, dice: &mut Dice) -> Option<Entry> {
    let few = view.services().count() < 2;
    let command = match if few { dice.between(0, 44) } else { dice.between(0, 119) } {
        0..=29 => create_service(view, now, dice),
        30..=39 => create_network(view, now, dice),
        40..=44 => payload::create(view, now, dice),
        45..=59 => update(view, now, dice, |_, spec, dice| spec.mode = replicas(dice)),
        60..=70 => update(view, now, dice, |_, spec, dice| {
            spec.container.image = format!("image:{}", dice.between(1, 9))
        }),
        71..=74 => canary(view, now, dice),
        75..=77 => update(view, now, dice, |_, spec, dice| spec.ports = ports(dice)),
        78..=79 => update(view, now, dice, |view, spec, dice| spec.networks = networks(view, dice)),
        80..=86 => update(view, now, dice, payload::attach),
        87..=91 => payload::rotate(view, now, dice),
        92..=93 => payload::remove(view, dice),
        94..=105 => service(view, dice).map(|service| {
            Ok(Command::RemoveService {
                id: service.id,
                at: now,
            })
        }),
        106..=110 => network(view, dice).map(|id| Ok(Command::RemoveNetwork { id })),
        _ => change_node(view, now, dice),
    };
    let command = command?.ok()?;
    Some(Entry {
        request: RequestId::from_bits(dice.id()),
        command,
    })
}

/// One thing that the user did to a node is undone.
pub fn undo_drain(view: &View, now: Timestamp, dice: &mut Dice) -> Option<Entry> {
    let mut nodes = view.nodes();
    let node = nodes.find(|node| node.spec.availability != Availability::Active)?;
    let mut spec = node.spec.clone();
    spec.availability = Availability::Active;
    Some(Entry {
        request: RequestId::from_bits(dice.id()),
        command: Command::UpdateNodeSpec {
            id: node.id,
            version: node.version,
            at: now,
            spec,
        },
    })
}

type Planned = Option<Result<Command, Refused>>;

fn service<'a>(view: &'a View, dice: &mut Dice) -> Option<&'a Service> {
    dice.pick(&view.services().collect::<Vec<_>>())
}

fn network(view: &View, dice: &mut Dice) -> Option<NetworkId> {
    let all = view
        .networks()
        .filter(|network| !network.spec.ingress)
        .map(|network| network.id);
    dice.pick(&all.collect::<Vec<_>>())
}

fn replicas(dice: &mut Dice) -> Mode {
    Mode::Replicated {
        replicas: dice.between(0, 5) as u32,
    }
}

fn networks(view: &View, dice: &mut Dice) -> Vec<NetworkAttachment> {
    let mut joined: Vec<NetworkId> = (0..dice.between(0, 2)).filter_map(|_| network(view, dice)).collect();
    joined.dedup();
    let attach = |network| NetworkAttachment {
        network,
        aliases: Vec::new(),
    };
    joined.into_iter().map(attach).collect()
}

fn ports(dice: &mut Dice) -> Vec<PortSpec> {
    let wishes = [
        "8080:80",
        "8081:80",
        "80",
        "53/udp",
        "published=9000,target=90,mode=host",
    ];
    let count = dice.between(0, 2) as usize;
    let mut ports: Vec<PortSpec> = (0..count).filter_map(|_| dice.pick(&wishes)?.parse().ok()).collect();
    ports.dedup();
    ports
}

fn create_network(view: &View, now: Timestamp, dice: &mut Dice) -> Planned {
    let name = format!("net{}", dice.between(0, 4));
    let mut spec = NetworkSpec::named(name.parse().ok()?);
    spec.internal = dice.chance(200);
    if dice.chance(100) {
        spec.subnet = "10.200.0.0/27".parse().ok();
    }
    Some(plan_create_network(view, NetworkId::from_bits(dice.id()), now, spec))
}

fn create_service(view: &View, now: Timestamp, dice: &mut Dice) -> Planned {
    if view.services().count() >= 5 {
        return None;
    }
    let name = format!("svc{}", dice.between(0, 9));
    let mut spec = ServiceSpec::new(name.parse().ok()?, "image:1");
    spec.mode = replicas(dice);
    spec.networks = networks(view, dice);
    spec.ports = ports(dice);
    payload::attach(view, &mut spec, dice);
    let mut restart = RestartPolicy {
        delay: Duration::from_millis(dice.between(0, 6000)),
        ..RestartPolicy::default()
    };
    if dice.chance(200) {
        restart.condition = dice.pick(&[RestartCondition::None, RestartCondition::OnFailure])?;
    }
    if dice.chance(100) {
        restart.max_attempts = dice.between(1, 7) as u32;
    }
    spec.restart = Some(restart);
    Some(plan_create_service(view, ServiceId::from_bits(dice.id()), now, spec))
}

fn update(view: &View, now: Timestamp, dice: &mut Dice, change: fn(&View, &mut ServiceSpec, &mut Dice)) -> Planned {
    let service = service(view, dice)?;
    let mut spec = service.spec.clone();
    change(view, &mut spec, dice);
    let (id, version) = (service.id, service.version);
    Some(plan_update_service(view, id, version, now, spec, None))
}

/// A canary begins, gets another share, is promoted or aborted.
fn canary(view: &View, now: Timestamp, dice: &mut Dice) -> Planned {
    let service = service(view, dice)?;
    let (id, version) = (service.id, service.version);
    let share = Ratio::new(dice.between(1, 99) as u32 * 10_000).ok();
    let begin = |image: u64| {
        let mut spec = service.spec.clone();
        spec.container.image = format!("image:{image}");
        plan_update_service(view, id, version, now, spec, share)
    };
    Some(match dice.between(0, 3) {
        0 if service.canary.is_some() => plan_promote_canary(view, id, version, now),
        1 if service.canary.is_some() => plan_abort_canary(view, id, version, now),
        _ => begin(dice.between(1, 9)),
    })
}

fn change_node(view: &View, now: Timestamp, dice: &mut Dice) -> Planned {
    let node = dice.pick(&view.nodes().collect::<Vec<_>>())?;
    let spare = view.nodes().count() > 2;
    if spare && node.status.state == NodeState::Down && dice.chance(500) {
        return Some(Ok(Command::RemoveNode {
            id: node.id,
            at: now,
            force: false,
        }));
    }
    let mut spec = node.spec.clone();
    let wishes = [
        Availability::Active,
        Availability::Active,
        Availability::Pause,
        Availability::Drain,
    ];
    spec.availability = dice.pick(&wishes)?;
    Some(Ok(Command::UpdateNodeSpec {
        id: node.id,
        version: node.version,
        at: now,
        spec,
    }))
}
