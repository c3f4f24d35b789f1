//! Rows of `node ls`, `network ls` and `service ls`.

use model::{Network, Node, PublishedPort, Role, Service};
use serde_json::json;

use super::table::{Listing, Row};

/// What `node ls` needs besides the nodes.
pub struct NodeRows {
    /// The node that answers.
    pub self_id: String,
    /// The leader's node.
    pub leader: String,
    /// The managers that the leader does not hear.
    pub unreachable: Vec<String>,
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
                ("TLSStatus", json!("Ready")),
            ],
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
    nodes.sort_by_key(|node| (node.hostname(), node.id));
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
    networks.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
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

/// `service ls`, by name. `running` counts the running tasks of a service.
pub fn service_rows(mut services: Vec<Service>, running: impl Fn(&Service) -> usize, no_trunc: bool) -> Listing {
    services.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let row = |service: &Service| {
        let id = if no_trunc {
            service.id.to_string()
        } else {
            service.id.short()
        };
        let replicas = service.spec.replicas().unwrap_or_default();
        let name = service.spec.name.as_str();
        let replicas = format!("{}/{replicas}", running(service));
        let ports = service.ports.iter().map(port).collect::<Vec<_>>().join(", ");
        let image = service.spec.container.image.as_str();
        let cells = [&id, name, "replicated", &replicas, image, &ports];
        Row {
            cells: cells.map(str::to_owned).to_vec(),
            fields: vec![
                ("ID", json!(id)),
                ("Name", json!(name)),
                ("Mode", json!("replicated")),
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

/// `*:8080->80/tcp`.
fn port(port: &PublishedPort) -> String {
    format!("*:{}->{}/{}", port.published, port.target, port.protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn service_ls_has_dockers_columns() {
        let text = service_rows(vec![sample::service()], |_| 2, false)
            .render(None, false)
            .unwrap();
        assert_eq!(
            text,
            "ID             NAME      MODE         REPLICAS   IMAGE     PORTS\n\
             000000000000   web       replicated   2/3        web:1     *:8080->80/tcp\n"
        );
    }

    #[test]
    fn node_ls_marks_the_node_that_answers() {
        let of = NodeRows {
            self_id: sample::node(1, Role::Manager).id.to_string(),
            leader: sample::node(1, Role::Manager).id.to_string(),
            unreachable: vec![sample::node(4, Role::Manager).id.to_string()],
        };
        let managers = [3, 4, 1].map(|id| sample::node(id, Role::Manager));
        let nodes = [vec![sample::node(2, Role::Worker)], managers.to_vec()].concat();
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
