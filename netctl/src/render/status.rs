//! `status`: what is well and what is not. Problems make the exit code; advice does not.

mod reach;

use std::{collections::BTreeMap, fmt::Write};

use model::{Node, NodeState, Role, Service, ServiceId};
use serde_json::{Value, json};
use wire::pb::{InfoResponse, NodeProbe, ServiceStatus};

use super::{GOES_ON, cut_off};

/// What a manager knows of the whole cluster.
pub struct Cluster {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Id of the leader; empty if there is none.
    pub leader: String,
    /// All services.
    pub services: Vec<Service>,
    /// How many tasks each has and should have.
    pub counts: BTreeMap<ServiceId, ServiceStatus>,
    /// What the nodes found when they probed each other, or why they could not be asked.
    pub probes: Result<Vec<NodeProbe>, String>,
}

/// One look, in words.
#[derive(Debug, Default)]
pub struct Health {
    /// `Name: text`, in the order of the output.
    pub facts: Vec<(&'static str, String)>,
    /// What is wrong.
    pub problems: Vec<String>,
    /// What could be better, or has to be known.
    pub advice: Vec<String>,
}

impl Health {
    /// What this node says of itself, and what the managers say if it is one of them (or why they cannot).
    pub fn of(info: &InfoResponse, cluster: Option<Result<Cluster, String>>) -> Self {
        let mut health = Self::default();
        health.local(info);
        match cluster {
            Some(Ok(cluster)) => health.cluster(info, &cluster),
            Some(Err(why)) => health.problems.push(format!("the managers do not answer: {why}")),
            None if info.state == "active" => health
                .advice
                .push("local facts only: a manager knows of the whole cluster".to_owned()),
            None => {}
        }
        health
    }

    fn fact(&mut self, name: &'static str, text: impl Into<String>) {
        self.facts.push((name, text.into()));
    }

    fn local(&mut self, info: &InfoResponse) {
        match info.state.as_str() {
            "active" => self.fact("Cluster", info.cluster.clone()),
            state => self.problems.push(format!("this node is not part of a swarm: {state}")),
        }
        let role = if info.manager { "manager" } else { "worker" };
        self.fact("Node", format!("{} ({}, {role})", info.hostname, info.node));
        if let Some(since) = cut_off(info) {
            self.fact("Session", format!("{since}; {GOES_ON}"));
            self.problems.push(format!("{since}: {}", info.error));
        } else if !info.error.is_empty() {
            self.problems.push(info.error.clone());
        }
        if info.engine_error.is_empty() {
            self.fact("Engine", info.engine_version.clone());
        } else {
            self.fact("Engine", "does not answer; its containers and their traffic go on");
            self.problems.push(info.engine_error.clone());
        }
        if !info.live_restore && info.engine_error.is_empty() {
            let advice = "containers of this node end when its engine is restarted: set \"live-restore\": true in \
                /etc/docker/daemon.json";
            self.advice.push(advice.to_owned());
        }
        let others = info.warnings.iter().filter(|warning| **warning != info.engine_error);
        self.advice.extend(others.cloned());
    }

    fn cluster(&mut self, info: &InfoResponse, cluster: &Cluster) {
        self.managers(cluster);
        self.fact("Keys", info.key_storage.clone());
        self.nodes(cluster);
        self.services(cluster);
        reach::tell(self, info.data_port, cluster);
        self.clocks(info, cluster);
    }

    /// What the other nodes say of their clocks; what this one says is among its own warnings.
    fn clocks(&mut self, info: &InfoResponse, cluster: &Cluster) {
        let others = cluster.probes.iter().flatten().filter(|probe| probe.node != info.node);
        for probe in others.filter(|probe| !probe.clock.is_empty()) {
            let name = reach::name(cluster, &probe.node);
            self.advice.push(format!("node {name} says: {}", probe.clock));
        }
    }

    fn managers(&mut self, cluster: &Cluster) {
        let managers: Vec<&Node> = cluster.nodes.iter().filter(|n| n.spec.role == Role::Manager).collect();
        let (all, quorum) = (managers.len(), managers.len() / 2 + 1);
        let up = managers.iter().filter(|n| n.status.state == NodeState::Ready).count();
        let may_fail = all.saturating_sub(quorum);
        self.fact(
            "Managers",
            format!("{up} of {all} up, quorum {quorum}, {may_fail} may fail"),
        );
        if cluster.leader.is_empty() {
            self.problems.push("no manager leads".to_owned());
        }
        self.advice.extend(even_managers(all));
    }

    fn nodes(&mut self, cluster: &Cluster) {
        let ready = cluster
            .nodes
            .iter()
            .filter(|n| n.status.state == NodeState::Ready)
            .count();
        self.fact("Nodes", format!("{ready} of {} ready", cluster.nodes.len()));
        for node in &cluster.nodes {
            let (name, state) = (node.hostname(), node.status.state);
            if state != NodeState::Ready {
                let mut text = format!("node {name} is {}", state.word());
                if !node.status.message.is_empty() {
                    let _ = write!(text, ": {}", node.status.message);
                }
                self.problems.push(text);
            }
            let silent = node.description.as_ref().filter(|d| !d.engine_error.is_empty());
            if let Some(description) = silent {
                self.problems.push(format!(
                    "the engine of node {name} does not answer: {}",
                    description.engine_error
                ));
            }
        }
    }

    fn services(&mut self, cluster: &Cluster) {
        let counts = cluster.services.iter().map(|service| {
            let status = cluster.counts.get(&service.id).copied().unwrap_or_default();
            // A job's tasks end, and may have to wait for its next run.
            let wanted = if service.spec.mode.is_job() { 0 } else { status.desired };
            (service.spec.name.as_str(), status.running, wanted)
        });
        let (well, short): (Vec<_>, Vec<_>) = counts.partition(|(_, running, wanted)| running >= wanted);
        self.fact(
            "Services",
            format!("{} of {} as wanted", well.len(), cluster.services.len()),
        );
        for (name, running, wanted) in short {
            self.problems
                .push(format!("service {name}: {running}/{wanted} tasks are running"));
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, fact) in &self.facts {
            let _ = writeln!(text, "{:<14}{fact}", format!("{name}:"));
        }
        for advice in &self.advice {
            let _ = writeln!(text, "WARNING: {advice}");
        }
        for problem in &self.problems {
            let _ = writeln!(text, "PROBLEM: {problem}");
        }
        text.push_str(if self.problems.is_empty() { "Healthy.\n" } else { "" });
        text
    }

    /// `--format json`.
    pub fn json(&self) -> Value {
        let facts: serde_json::Map<String, Value> = self
            .facts
            .iter()
            .map(|(name, fact)| ((*name).to_owned(), json!(fact)))
            .collect();
        json!({
            "Healthy": self.problems.is_empty(),
            "Facts": facts,
            "Problems": self.problems,
            "Warnings": self.advice,
        })
    }
}

/// What an operator should know of a swarm with an even number of managers; `None` for an odd one.
pub fn even_managers(all: usize) -> Option<String> {
    match all {
        2 => Some(
            "two managers are worse than one: if either fails, nothing can be changed; add a third or demote one"
                .to_owned(),
        ),
        even if even > 0 && even % 2 == 0 => Some(format!(
            "{even} managers tolerate no more failures than {}: add one or demote one",
            even - 1
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
