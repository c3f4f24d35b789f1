//! What a name means to one container. Pure: the view, who asks, what is asked.
//!
//! Names are looked up in the networks of the calling task, in the order in which it is attached; the first that knows
//! the name answers. A network with `ingress` knows no names. Never an address of a task that takes no traffic, except
//! the caller's own.

use std::net::IpAddr;

use model::{EndpointView, NetworkId, NetworkView, NodeView, ServiceId, ServiceView, Task, TaskId};

use crate::worker::FACTS;

/// A question, independent of its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Addresses of a name: lower case, no dot at the end.
    Address(String),
    /// Another record of a name.
    Other(String),
    /// The name of an address.
    Name(IpAddr),
}

/// The answer, independent of its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name is ours. May be empty: known, but nothing takes traffic now, or no such record.
    Addresses(Vec<IpAddr>),
    /// The address is ours.
    Name(String),
    /// Not ours: the host's upstreams may know.
    Elsewhere,
    /// Not ours, and nobody else may be asked.
    Unknown,
    /// Nobody whom we answer.
    Refused,
}

/// Answers `question` of `caller`'s container.
pub fn answer(view: &NodeView, caller: TaskId, question: &Question) -> Answer {
    let Some(task) = view.tasks.iter().find(|t| t.id == caller) else {
        return Answer::Refused;
    };
    let attached = task.attachments.iter().map(|a| a.network);
    let networks: Vec<&NetworkView> = attached
        .filter_map(|id| view.networks.iter().find(|n| n.id == id))
        .collect();
    let ours = networks.iter().filter(|n| !n.ingress);
    let scopes = ours.map(|network| Scope { view, task, network });
    let found = match question {
        Question::Address(name) => find(scopes, name).map(Answer::Addresses),
        Question::Other(name) => find(scopes, name).map(|_| Answer::Addresses(Vec::new())),
        Question::Name(addr) => reverse(scopes, *addr),
    };
    let outside = || match networks.iter().any(|n| !n.internal) {
        true => Answer::Elsewhere,
        false => Answer::Unknown,
    };
    found.unwrap_or_else(outside)
}

/// One network as one task sees it.
struct Scope<'a> {
    view: &'a NodeView,
    task: &'a Task,
    network: &'a NetworkView,
}

fn find<'a>(scopes: impl Iterator<Item = Scope<'a>>, name: &str) -> Option<Vec<IpAddr>> {
    let mut known = None;
    for scope in scopes {
        let suffix = format!(".{}", scope.network.name.as_str().to_ascii_lowercase());
        let qualified = name.strip_suffix(&suffix).and_then(|short| scope.lookup(short));
        match scope.lookup(name).or(qualified) {
            Some(addresses) if !addresses.is_empty() => return Some(addresses),
            found => known = known.or(found),
        }
    }
    known
}

fn reverse<'a>(scopes: impl Iterator<Item = Scope<'a>>, addr: IpAddr) -> Option<Answer> {
    let mut own = false;
    for scope in scopes {
        if let Some(name) = scope.name_of(addr) {
            return Some(Answer::Name(name));
        }
        own |= scope.network.subnet.contains(&addr);
    }
    // An address of our own networks is nobody else's business.
    own.then_some(Answer::Unknown)
}

impl Scope<'_> {
    /// `None`: this network does not know the name.
    fn lookup(&self, name: &str) -> Option<Vec<IpAddr>> {
        if let Some(service) = self.service(name) {
            let vip = service.vips.iter().find(|v| v.network == self.network.id);
            return Some(match vip {
                Some(vip) => vec![vip.addr],
                None => self.serving(service.id),
            });
        }
        if let Some(service) = name.strip_prefix("tasks.").and_then(|name| self.service(name)) {
            return Some(self.serving(service.id));
        }
        let endpoint = self.endpoints().find(|e| self.is_called(e, name))?;
        let answered = endpoint.serving || endpoint.task == self.task.id;
        Some(answered.then_some(endpoint.addr).into_iter().collect())
    }

    /// The service with this name or alias here.
    fn service(&self, name: &str) -> Option<&ServiceView> {
        let here = |s: &&ServiceView| {
            s.vips.iter().any(|v| v.network == self.network.id) || self.endpoints().any(|e| e.service == s.id)
        };
        let mut services = self.view.services.iter();
        services.find(|s| {
            let mut aliases = s.aliases.iter().filter(|(network, _)| *network == self.network.id);
            let called = is(s.name.as_str(), name) && here(s);
            called || aliases.any(|(_, alias)| is(alias.as_str(), name))
        })
    }

    fn serving(&self, service: ServiceId) -> Vec<IpAddr> {
        let serving = self.endpoints().filter(|e| e.service == service && e.serving);
        serving.map(|e| e.addr).collect()
    }

    fn endpoints(&self) -> impl Iterator<Item = &EndpointView> {
        let id: NetworkId = self.network.id;
        self.view.endpoints.iter().filter(move |e| e.network == id)
    }

    /// By its task's name, or (on this node, where both are known) its container's host name or short id.
    fn is_called(&self, endpoint: &EndpointView, name: &str) -> bool {
        if self.task_name(endpoint).is_some_and(|n| is(&n, name)) {
            return true;
        }
        let Some(task) = self.view.tasks.iter().find(|t| t.id == endpoint.task) else {
            return false;
        };
        let short = task.status.container.as_deref().and_then(|id| id.get(..12));
        let host = plan::container::host_name(self.view, task, FACTS);
        host.is_some_and(|h| is(&h, name)) || short.is_some_and(|id| is(id, name))
    }

    /// `service.slot.task`, as its container is named.
    fn task_name(&self, endpoint: &EndpointView) -> Option<String> {
        let service = self.view.services.iter().find(|s| s.id == endpoint.service)?;
        Some(format!("{}.{}.{}", service.name, endpoint.slot, endpoint.task))
    }

    fn name_of(&self, addr: IpAddr) -> Option<String> {
        let task = || {
            let endpoint = self.endpoints().find(|e| e.addr == addr)?;
            self.task_name(endpoint)
        };
        let service = || {
            let here = |v: &model::VirtualIp| v.network == self.network.id && v.addr == addr;
            let service = self.view.services.iter().find(|s| s.vips.iter().any(here))?;
            Some(service.name.to_string())
        };
        let name = task().or_else(service)?;
        Some(format!("{name}.{}", self.network.name))
    }
}

fn is(name: &str, asked: &str) -> bool {
    name.eq_ignore_ascii_case(asked)
}

#[cfg(test)]
mod tests;
