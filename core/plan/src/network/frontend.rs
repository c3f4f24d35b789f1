//! Frontends of a view: the virtual IPs of its networks and its published ports, each with the backends behind it.

use std::collections::BTreeMap;

use abi::{Addr, Be16, FRONTEND_HELD, FrontendKey, SCOPE_PUBLISHED};
use model::{
    EndpointView, NetworkId, NetworkView, NodeId, NodeView, PublishMode, PublishedPort, Ratio, ServiceId, ServiceView,
};

use super::LocalFacts;
use crate::maglev::{self, Candidate, Group};

/// Slots of a published port's ring. The same on every node and for the frontend's whole life, since the slot of an
/// open connection is found by its hash modulo this number. Prime.
pub const PUBLISHED_SLOTS: u32 = 1021;
/// Slots of a virtual IP's ring up to [`SMALL_SERVICE`] backends and without a canary, else [`PUBLISHED_SLOTS`]: its flows
/// have records, so the ring may change its size. Prime. One part in a hundred of these would be two or three slots, and
/// most backends of such a part would have none.
const VIRTUAL_SLOTS: u32 = 251;
/// See [`VIRTUAL_SLOTS`].
const SMALL_SERVICE: usize = 16;

/// A backend by what it is; the node's id for it comes with numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DesiredBackend {
    /// Address of the task's endpoint.
    pub addr: Addr,
    /// Tunnel endpoint of its node.
    pub vtep: Addr,
    /// Network of that endpoint.
    pub vni: u32,
    /// Port the task listens on, host order; 0 = the one that the client asked for.
    pub port: u16,
    /// IP protocol; 0 = TCP and UDP.
    pub proto: u8,
}

/// A frontend before numbering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredFrontend {
    /// Backends that take part.
    pub backends: Vec<DesiredBackend>,
    /// Owner of each slot, an index into `backends`; `None` everywhere when no backend takes new flows but some still
    /// have old ones; empty when there is no backend at all.
    pub slots: Vec<Option<usize>>,
    /// Number of the service: the low bits of its id.
    pub service: u32,
    /// `FRONTEND_*` bits.
    pub flags: u32,
}

/// Frontends by key, and every backend with whether it drains.
#[derive(Default)]
pub(super) struct Services {
    pub frontends: BTreeMap<FrontendKey, DesiredFrontend>,
    pub backends: BTreeMap<DesiredBackend, bool>,
    /// Published ports that a listener of this host has.
    pub held: Vec<PublishedPort>,
}

/// Whatever is looked up again and again while services are laid out.
pub(super) struct Context<'a> {
    pub view: &'a NodeView,
    pub facts: &'a LocalFacts,
    pub networks: &'a BTreeMap<NetworkId, &'a NetworkView>,
    /// Tunnel endpoint by node.
    pub vteps: &'a BTreeMap<NodeId, Addr>,
    /// Endpoints by service.
    pub endpoints: BTreeMap<ServiceId, Vec<&'a EndpointView>>,
}

impl Services {
    pub(super) fn of(context: &Context<'_>) -> Self {
        let mut services = Self::default();
        for service in &context.view.services {
            services.add_virtual(context, service);
            services.add_published(context, service);
        }
        services
    }

    fn add_virtual(&mut self, context: &Context<'_>, service: &ServiceView) {
        for vip in &service.vips {
            let Some(network) = context.networks.get(&vip.network) else {
                continue;
            };
            let key = FrontendKey {
                scope: network.vni.get(),
                addr: vip.addr.into(),
                ..FrontendKey::default()
            };
            let members = members(context, service, 0, |_| 0, |e| e.network == vip.network);
            let slots = if members.len() > SMALL_SERVICE || service.canary.is_some() {
                PUBLISHED_SLOTS
            } else {
                VIRTUAL_SLOTS
            };
            // Without a backend its row stays, with no ring: callers are refused at once instead of waiting.
            self.add(key, service, &members, if members.is_empty() { 0 } else { slots }, 0);
        }
    }

    fn add_published(&mut self, context: &Context<'_>, service: &ServiceView) {
        for port in &service.ports {
            let key = FrontendKey {
                scope: SCOPE_PUBLISHED,
                port: Be16::new(port.published),
                proto: port.protocol.number(),
                ..FrontendKey::default()
            };
            let target = |e: &EndpointView| service.target(port, e.spec_version);
            let members = members(context, service, port.protocol.number(), target, |e| {
                e.gateway && (port.mode == PublishMode::Ingress || has_port(context.view, e, port))
            });
            let held = is_held(context.facts, &key);
            if held && !members.is_empty() {
                self.held.push(port.clone());
            }
            let flags = if held { FRONTEND_HELD } else { 0 };
            // Without a backend the port is the host's.
            if !members.is_empty() {
                self.add(key, service, &members, PUBLISHED_SLOTS, flags);
            }
        }
    }

    /// A frontend over its backends, draining ones too: their open connections are found through it.
    fn add(&mut self, key: FrontendKey, service: &ServiceView, members: &[Member], slots: u32, flags: u32) {
        for member in members {
            self.backends.insert(member.backend, !member.serving);
        }
        let frontend = DesiredFrontend {
            backends: members.iter().map(|member| member.backend).collect(),
            slots: maglev::ring(&groups(service, members), slots),
            service: service.id.bits() as u32,
            flags,
        };
        self.frontends.insert(key, frontend);
    }
}

/// Who shares the slots: all members alike, or while there is a canary its members a part and the others the rest.
fn groups(service: &ServiceView, members: &[Member]) -> [Group; 2] {
    let share = service.canary.map_or(0, |canary| canary.share.parts_per_million());
    let mut groups = [Ratio::WHOLE - share, share].map(|weight| Group {
        weight,
        candidates: Vec::new(),
    });
    let [others, canaries] = &mut groups;
    for (index, member) in members.iter().enumerate() {
        let canary = service.canary.is_some_and(|canary| canary.covers(member.spec_version));
        let group = if canary { &mut *canaries } else { &mut *others };
        let weight = u32::from(member.serving);
        group.candidates.push((
            index,
            Candidate {
                key: member.key,
                weight,
            },
        ));
    }
    groups
}

/// Whether an endpoint is of a task that was given `port` of this node. A task from before its service wanted the port was
/// not, and another service's task may have it.
fn has_port(view: &NodeView, endpoint: &EndpointView, port: &PublishedPort) -> bool {
    let here = endpoint.node == view.node;
    let own = view.tasks.iter().find(|task| here && task.id == endpoint.task);
    let mut given = own.into_iter().flat_map(|task| &task.host_ports);
    given.any(|given| (given.published, given.protocol) == (port.published, port.protocol))
}

/// Whether somebody else of this host has the port that a frontend publishes.
pub(super) fn is_held(facts: &LocalFacts, key: &FrontendKey) -> bool {
    let mut held = facts.held.iter();
    key.scope == SCOPE_PUBLISHED
        && held.any(|(port, protocol)| (*port, protocol.number()) == (key.port.get(), key.proto))
}

struct Member {
    key: u128,
    spec_version: u64,
    backend: DesiredBackend,
    serving: bool,
}

/// The backends of a service among the endpoints that `counts` admits, with the port that each listens on.
fn members(
    context: &Context<'_>,
    service: &ServiceView,
    proto: u8,
    port: impl Fn(&EndpointView) -> u16,
    counts: impl Fn(&EndpointView) -> bool,
) -> Vec<Member> {
    let endpoints = context.endpoints.get(&service.id).into_iter().flatten();
    endpoints
        .filter(|e| counts(e))
        .filter_map(|e| {
            Some(Member {
                key: e.task.bits(),
                spec_version: e.spec_version,
                backend: DesiredBackend {
                    addr: e.addr.into(),
                    vtep: *context.vteps.get(&e.node)?,
                    vni: context.networks.get(&e.network)?.vni.get(),
                    port: port(e),
                    proto,
                },
                serving: e.serving,
            })
        })
        .collect()
}
