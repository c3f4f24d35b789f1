//! Rows of `node ls`, `network ls` and `service ls`.

use std::collections::BTreeMap;

use model::{Mode, Network, Node, Role, Service, ServiceId};
use serde_json::json;
use wire::pb;

use super::{
    natural::natural,
    port,
    table::{Listing, Row},
};

/// What `node ls` needs besides the nodes.
pub struct NodeRows {
    /// The node that answers.
    pub self_id: String,
    /// The leader's node.
    pub leader: String,
    /// The managers that the leader does not hear, or that have no vote yet.
    pub unreachable: Vec<String>,
    /// Whether a node has the certificate and roots that it is to have, of those that have said what they have.
    pub tls_current: BTreeMap<String, bool>,
}

impl NodeRows {
    fn row(&self, node: &Node) -> Row {
        let id = node.id.to_string();
        let is_self = id == self.self_id;
        let manager = self.manager_status(node, &id);
        let engine = node.description.as_ref().map_or("", |d| d.engine_version.as_str());
        let hostname = node.hostname();
        let (status, availability) = (node.status.state.word(), node.spec.availability.word());
        let cells = [
            &format!("{id} {}", if is_self { '*' } else { ' ' }),
            hostname.as_str(),
            status,
            availability,
            manager,
            engine,
        ];
        Row {
            cells: cells.map(str::to_owned).to_vec(),
            fields: vec![
                ("ID", json!(id)),
                ("Self", json!(is_self)),
                ("Hostname", json!(node.hostname())),
                ("Status", json!(status)),
                ("Availability", json!(availability)),
                ("ManagerStatus", json!(manager)),
                ("EngineVersion", json!(engine)),
                ("TLSStatus", json!(self.tls_status(&id))),
            ],
        }
    }

    /// In docker's words.
    fn tls_status(&self, id: &str) -> &'static str {
        match self.tls_current.get(id) {
            Some(true) => "Ready",
            Some(false) => "Needs Rotation",
            None => "Unknown",
        }
    }

    fn manager_status(&self, node: &Node, id: &str) -> &'static str {
        match node.spec.role {
            Role::Worker => "",
            Role::Manager if *id == self.leader => "Leader",
            Role::Manager if self.unreachable.iter().any(|other| other == id) => "Unreachable",
            Role::Manager => "Reachable",
        }
    }
}

/// `node ls`, by host name.
pub fn node_rows(mut nodes: Vec<Node>, of: &NodeRows) -> Listing {
    nodes.sort_by(|a, b| natural(&a.hostname(), &b.hostname()).then(a.id.cmp(&b.id)));
    Listing {
        headers: &[
            "ID",
            "HOSTNAME",
            "STATUS",
            "AVAILABILITY",
            "MANAGER STATUS",
            "ENGINE VERSION",
        ],
        rows: nodes.iter().map(|node| of.row(node)).collect(),
    }
}

/// `network ls`, by name.
pub fn network_rows(mut networks: Vec<Network>, no_trunc: bool) -> Listing {
    networks.sort_by(|a, b| natural(a.spec.name.as_str(), b.spec.name.as_str()));
    let row = |network: &Network| {
        let id = if no_trunc {
            network.id.to_string()
        } else {
            network.id.short()
        };
        let name = network.spec.name.as_str();
        let labels = network.spec.labels.iter().map(|(key, value)| format!("{key}={value}"));
        Row {
            cells: [id.as_str(), name, "overlay", "swarm"].map(str::to_owned).to_vec(),
            fields: vec![
                ("ID", json!(id)),
                ("Name", json!(name)),
                ("Driver", json!("overlay")),
                ("Scope", json!("swarm")),
                ("CreatedAt", json!(network.created_at.to_string())),
                ("Internal", json!(network.spec.internal.to_string())),
                ("IPv4", json!("true")),
                ("IPv6", json!("false")),
                ("Labels", json!(labels.collect::<Vec<_>>().join(","))),
            ],
        }
    };
    Listing {
        headers: &["NETWORK ID", "NAME", "DRIVER", "SCOPE"],
        rows: networks.iter().map(row).collect(),
    }
}

/// `service ls`, by name.
pub fn service_rows(
    mut services: Vec<Service>,
    counts: &BTreeMap<ServiceId, pb::ServiceStatus>,
    no_trunc: bool,
) -> Listing {
    services.sort_by(|a, b| natural(a.spec.name.as_str(), b.spec.name.as_str()));
    let row = |service: &Service| {
        let id = if no_trunc {
            service.id.to_string()
        } else {
            service.id.short()
        };
        let name = service.spec.name.as_str();
        let replicas = replicas(service, &counts.get(&service.id).copied().unwrap_or_default());
        let ports = port::ingress(&service.ports);
        let image = service.spec.container.image.as_str();
        let mode = service.spec.mode.word();
        let cells = [&id, name, mode, &replicas, image, &ports];
        Row {
            cells: cells.map(str::to_owned).to_vec(),
            fields: vec![
                ("ID", json!(id)),
                ("Name", json!(name)),
                ("Mode", json!(mode)),
                ("Replicas", json!(replicas)),
                ("Image", json!(image)),
                ("Ports", json!(ports)),
            ],
        }
    };
    Listing {
        headers: &["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"],
        rows: services.iter().map(row).collect(),
    }
}

/// `2/3`, with what docker adds for jobs and for a limit per node.
fn replicas(service: &Service, status: &pb::ServiceStatus) -> String {
    let pb::ServiceStatus {
        running,
        desired,
        completed,
    } = status;
    let plain = format!("{running}/{desired}");
    match service.spec.mode {
        Mode::ReplicatedJob { total_completions, .. } => format!("{plain} ({completed}/{total_completions} completed)"),
        Mode::GlobalJob => format!("{plain} ({completed}/{} completed)", desired + completed),
        Mode::Replicated { .. } if service.spec.placement.max_replicas > 0 => {
            format!("{plain} (max {} per node)", service.spec.placement.max_replicas)
        }
        Mode::Replicated { .. } | Mode::Global => plain,
    }
}

/// `stack ls`: the stacks with how many services they have.
pub fn stack_rows(stacks: &BTreeMap<String, usize>) -> Listing {
    let mut stacks: Vec<_> = stacks.iter().collect();
    stacks.sort_by(|(a, _), (b, _)| natural(a, b));
    let row = |(name, services): (&String, &usize)| Row {
        cells: vec![name.clone(), services.to_string()],
        fields: vec![
            ("Name", json!(name)),
            ("Services", json!(services.to_string())),
            ("Orchestrator", json!("Swarm")),
            ("Namespace", json!("")),
        ],
    };
    Listing {
        headers: &["NAME", "SERVICES"],
        rows: stacks.into_iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    fn counted(
        service: &Service,
        running: u32,
        desired: u32,
        completed: u32,
    ) -> BTreeMap<ServiceId, pb::ServiceStatus> {
        let status = pb::ServiceStatus {
            running,
            desired,
            completed,
        };
        BTreeMap::from([(service.id, status)])
    }

    #[test]
    fn jobs_and_limits_per_node_are_told_as_docker_does() {
        let mut service = sample::service();
        let shown = |service: &Service, completed| {
            let listing = service_rows(vec![service.clone()], &counted(service, 2, 3, completed), false);
            listing.render(Some("{{.Mode}} {{.Replicas}}"), false).unwrap()
        };
        service.spec.placement.max_replicas = 2;
        assert_eq!(shown(&service, 0), "replicated 2/3 (max 2 per node)\n");
        service.spec.mode = Mode::ReplicatedJob {
            max_concurrent: 3,
            total_completions: 10,
        };
        assert_eq!(shown(&service, 5), "replicated job 2/3 (5/10 completed)\n");
        service.spec.mode = Mode::GlobalJob;
        assert_eq!(shown(&service, 1), "global job 2/3 (1/4 completed)\n");
    }

    #[test]
    fn service_ls_has_dockers_columns() {
        let service = sample::service();
        let text = service_rows(vec![service.clone()], &counted(&service, 2, 3, 0), false)
            .render(None, false)
            .unwrap();
        assert_eq!(
            text,
            "ID             NAME      MODE         REPLICAS   IMAGE     PORTS\n\
             000000000000   web       replicated   2/3        web:1     *:8080->80/tcp\n"
        );
    }

    #[test]
    fn numbers_in_names_are_sorted_as_numbers() {
        let named = |name: &str| {
            let mut service = sample::service();
            service.spec.name = name.parse().unwrap();
            service
        };
        let services = ["web10", "web9", "db"].map(named).to_vec();
        let listing = service_rows(services, &BTreeMap::new(), false);
        assert_eq!(listing.render(Some("{{.Name}}"), false).unwrap(), "db\nweb9\nweb10\n");
        let stacks = ["shop10", "shop2"].map(|name| (name.to_owned(), 1)).into();
        let listing = stack_rows(&stacks);
        assert_eq!(listing.render(Some("{{.Name}}"), false).unwrap(), "shop2\nshop10\n");
    }

    #[test]
    fn node_ls_marks_the_node_that_answers() {
        let of = NodeRows {
            self_id: sample::node(1, Role::Manager).id.to_string(),
            leader: sample::node(1, Role::Manager).id.to_string(),
            unreachable: vec![sample::node(4, Role::Manager).id.to_string()],
            tls_current: [(1, true), (2, false)]
                .map(|(id, current)| (sample::node(id, Role::Worker).id.to_string(), current))
                .into(),
        };
        let managers = [3, 4, 1].map(|id| sample::node(id, Role::Manager));
        let nodes = [vec![sample::node(2, Role::Worker)], managers.to_vec()].concat();
        let tls = node_rows(nodes.clone(), &of).render(Some("{{.Hostname}} {{.TLSStatus}}"), false);
        assert_eq!(tls.unwrap(), "n1 Ready\nn2 Needs Rotation\nn3 Unknown\nn4 Unknown\n");
        let text = node_rows(nodes, &of).render(None, false).unwrap();
        assert_eq!(
            text,
            "ID                            HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION\n\
             0000000000000000000000001 *   n1         Ready     Active         Leader           20.10.24\n\
             0000000000000000000000002     n2         Ready     Active                          20.10.24\n\
             0000000000000000000000003     n3         Ready     Active         Reachable        20.10.24\n\
             0000000000000000000000004     n4         Ready     Active         Unreachable      20.10.24\n"
        );
    }

    #[test]
    fn network_ls_has_dockers_columns() {
        let text = network_rows(vec![sample::network()], false)
            .render(None, false)
            .unwrap();
        assert_eq!(
            text,
            "NETWORK ID     NAME      DRIVER    SCOPE\n\
             000000000000   blue      overlay   swarm\n"
        );
    }
}
