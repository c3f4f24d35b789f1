//! `inspect`: objects in the Engine API's field names, order and units (durations in nanoseconds).

use std::{collections::BTreeMap, net::IpAddr};

use base64::{Engine, prelude::BASE64_STANDARD};
use model::{Canary, Network, NetworkId, Node, PublishedPort, Ratio, Role, Service, Task, Timestamp, UpdateStatus};
use serde_json::{Value, json};
use wire::pb;

use super::{
    fields::Fields,
    job,
    spec::{container, endpoint_spec, generic, publish_mode, service_spec},
};

/// How long the prefix of each network is.
pub type Prefixes = BTreeMap<NetworkId, u8>;

/// An address with its network's prefix, as docker shows it; without one if the network is gone.
fn address(addr: IpAddr, network: NetworkId, prefixes: &Prefixes) -> String {
    match prefixes.get(&network) {
        Some(length) => format!("{addr}/{length}"),
        None => addr.to_string(),
    }
}

/// A network.
pub fn network_json(network: &Network) -> Value {
    let spec = &network.spec;
    json!({
        "Name": spec.name.as_str(),
        "Id": network.id.to_string(),
        "Created": time(network.created_at),
        "Scope": "swarm",
        "Driver": "overlay",
        "EnableIPv4": network.subnet.addr().is_ipv4(),
        "EnableIPv6": network.subnet.addr().is_ipv6(),
        "IPAM": {
            "Driver": "default",
            "Options": null,
            "Config": [{ "Subnet": network.subnet.to_string(), "Gateway": network.gateway.to_string() }],
        },
        "Internal": spec.internal,
        "Attachable": spec.attachable,
        "Ingress": spec.ingress,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": null,
        "Options": { "com.docker.network.driver.overlay.vxlanid_list": network.vni.to_string() },
        "Labels": spec.labels,
    })
}

/// A service.
pub fn service_json(service: &Service, prefixes: &Prefixes) -> Value {
    let vips = service.vips.iter().map(|vip| {
        let addr = address(vip.addr, vip.network, prefixes);
        json!({ "NetworkID": vip.network.to_string(), "Addr": addr })
    });
    let previous = service.previous.as_ref().map(|previous| service_spec(&previous.spec));
    let endpoint = json!({
        "Spec": endpoint_spec(&service.spec),
        "Ports": service.ports.iter().map(published).collect::<Vec<_>>(),
        "VirtualIPs": vips.collect::<Vec<_>>(),
    });
    let object = json!({
        "ID": service.id.to_string(),
        "Version": { "Index": service.version },
        "CreatedAt": time(service.created_at),
        "UpdatedAt": time(service.updated_at),
        "Spec": service_spec(&service.spec),
    });
    Fields::from(object)
        .maybe("PreviousSpec", previous)
        .maybe("Endpoint", Some(endpoint))
        .maybe("UpdateStatus", service.update_status.as_ref().map(update_status))
        .maybe("Canary", service.canary.as_ref().map(canary))
        .maybe("JobStatus", service.job_status.as_ref().map(job::status))
        .value()
}

fn update_status(status: &UpdateStatus) -> Value {
    json!({
        "State": status.state.word(),
        "StartedAt": time(status.started_at),
        "CompletedAt": status.completed_at.map(time),
        "Message": status.message,
    })
}

fn canary(canary: &Canary) -> Value {
    let share = f64::from(canary.share.parts_per_million()) / f64::from(Ratio::WHOLE);
    json!({ "Share": share })
}

fn published(port: &PublishedPort) -> Value {
    json!({
        "Protocol": port.protocol.word(),
        "TargetPort": port.target,
        "PublishedPort": port.published,
        "PublishMode": publish_mode(port.mode),
    })
}

/// A task.
pub fn task_json(task: &Task, prefixes: &Prefixes) -> Value {
    let attachments = task.attachments.iter().map(|attachment| {
        json!({
            "Network": { "ID": attachment.network.to_string() },
            "Addresses": [address(attachment.addr, attachment.network, prefixes)],
        })
    });
    let status = &task.status;
    let object = json!({
        "ID": task.id.to_string(),
        "Version": { "Index": task.version },
        "CreatedAt": time(task.created_at),
        "UpdatedAt": time(task.updated_at),
        "Labels": {},
        "Spec": { "ContainerSpec": container(&task.container) },
        "ServiceID": task.service.to_string(),
        "Slot": task.slot.get(),
        "NodeID": task.node.map(|node| node.to_string()),
        "Status": {
            "Timestamp": time(status.at),
            "State": status.state.word().to_lowercase(),
            "Message": status.message,
            "Err": status.err,
            "ContainerStatus": { "ContainerID": status.container, "ExitCode": status.exit_code },
            "PortStatus": {},
        },
        "DesiredState": task.desired.word().to_lowercase(),
        "NetworksAttachments": attachments.collect::<Vec<_>>(),
        "JobIteration": task.job_iteration.map(|index| json!({ "Index": index })),
    });
    let assigned = task.generic_resources.iter().map(generic).collect();
    Fields::from(object)
        .unless_empty("AssignedGenericResources", assigned)
        .value()
}

/// A node; `unreachable` are the managers on which no majority can rest now.
pub fn node_json(node: &Node, leader: &str, unreachable: &[String], tls: Option<&pb::TlsInfo>) -> Value {
    let id = node.id.to_string();
    let object = json!({
        "ID": id,
        "Version": { "Index": node.version },
        "CreatedAt": time(node.created_at),
        "UpdatedAt": time(node.updated_at),
        "Spec": {
            "Labels": node.spec.labels,
            "Role": node.spec.role.word(),
            "Availability": node.spec.availability.word().to_lowercase(),
        },
        "Description": description(node, tls),
        "Status": {
            "State": node.status.state.word().to_lowercase(),
            "Message": node.status.message,
            "Addr": node.status.addr.to_string(),
        },
    });
    let reachable = !unreachable.contains(&id);
    let manager = (node.spec.role == Role::Manager).then(|| {
        json!({
            "Leader": id == leader,
            "Reachability": if reachable { "reachable" } else { "unreachable" },
            "Addr": node.manager_addr.map(|addr| addr.to_string()),
        })
    });
    Fields::from(object).maybe("ManagerStatus", manager).value()
}

fn description(node: &Node, tls: Option<&pb::TlsInfo>) -> Value {
    let Some(description) = &node.description else {
        let unknown = ["Hostname", "Platform", "Resources", "Engine", "TLSInfo"];
        return unknown
            .into_iter()
            .fold(Fields::new(), |fields, name| fields.maybe(name, None))
            .value();
    };
    let resources = json!({ "NanoCPUs": description.nano_cpus, "MemoryBytes": description.memory_bytes });
    let generic = description.generic_resources.iter().map(generic).collect();
    let resources = Fields::from(resources).unless_empty("GenericResources", generic);
    let plugins = description.plugins.iter().filter_map(|plugin| plugin.split_once('/'));
    let plugins = plugins
        .map(|(kind, name)| json!({ "Type": kind, "Name": name }))
        .collect();
    let engine = json!({ "EngineVersion": description.engine_version, "Labels": description.engine_labels });
    let object = json!({
        "Hostname": description.hostname,
        "Platform": { "Architecture": description.arch, "OS": description.os },
        "Resources": resources.value(),
        "Engine": Fields::from(engine).unless_empty("Plugins", plugins).value(),
    });
    Fields::from(object).maybe("TLSInfo", tls.map(tls_json)).value()
}

/// What a node or the cluster has of its authority: the roots as PEM, who signs as base64 of the DER bytes.
pub fn tls_json(tls: &pb::TlsInfo) -> Value {
    json!({
        "TrustRoot": tls.trust_root,
        "CertIssuerSubject": BASE64_STANDARD.encode(&tls.issuer_subject),
        "CertIssuerPublicKey": BASE64_STANDARD.encode(&tls.issuer_public_key),
    })
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{named, sample, shown};

    fn prefixes() -> Prefixes {
        [sample::network()]
            .map(|network| (network.id, network.subnet.prefix_len()))
            .into()
    }

    #[test]
    fn addresses_of_tasks_have_their_networks_prefix() {
        let mut task = sample::task(1, 1, 0, model::TaskState::Running, model::DesiredState::Running);
        let attachment = |network| model::Attachment {
            network: NetworkId::from_bits(network),
            addr: "10.1.0.7".parse().unwrap(),
            aliases: Vec::new(),
        };
        task.attachments = vec![attachment(1), attachment(9)];
        let value = task_json(&task, &prefixes());
        assert_eq!(value["NetworksAttachments"][0]["Addresses"], json!(["10.1.0.7/24"]));
        let gone = &value["NetworksAttachments"][1]["Addresses"];
        assert_eq!(*gone, json!(["10.1.0.7"]), "its network is gone");
    }

    #[test]
    fn a_service_has_the_fields_that_dockers_tools_read() {
        let value = shown(&service_json(&sample::service(), &prefixes()));
        assert_eq!(value["Version"]["Index"], 9);
        assert_eq!(value["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"], "web:1");
        assert_eq!(
            value["Spec"]["TaskTemplate"].get("RestartPolicy"),
            None,
            "not given, not shown"
        );
        assert_eq!(value["Spec"]["Mode"]["Replicated"]["Replicas"], 3);
        assert_eq!(value["Endpoint"]["VirtualIPs"][0]["Addr"], "10.1.0.2/24");
        assert_eq!(value["Endpoint"]["Ports"][0]["PublishedPort"], 8080);
        let keys: Vec<_> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["ID", "Version", "CreatedAt", "UpdatedAt", "Spec", "Endpoint"]);
    }

    #[test]
    fn templates_may_name_what_is_not_set() {
        use crate::render::Format;
        let fill = |source: &str| {
            let Ok(Format::Template(template)) = Format::parse(source) else {
                panic!("{source}")
            };
            template.fill(&named(&service_json(&sample::service(), &prefixes())))
        };
        for (source, told) in [
            ("{{if .UpdateStatus}}yes{{else}}no{{end}}", "no"),
            ("{{.UpdateStatus.State}}", "<no value>"),
            ("[{{range .Spec.TaskTemplate.ContainerSpec.Mounts}}x{{end}}]", "[]"),
            ("{{.Spec.Labels.zone}}", "<no value>"),
            ("{{json .Spec.TaskTemplate.Placement}}", "{}"),
        ] {
            assert_eq!(fill(source).unwrap(), told, "{source}");
        }
        for wrong in ["{{.Image}}", "{{.Spec.TaskTemplate.Image}}"] {
            assert!(fill(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_managers_have_a_manager_status() {
        let manager = sample::node(1, Role::Manager);
        let tls = pb::TlsInfo {
            issuer_subject: vec![1],
            ..pb::TlsInfo::default()
        };
        let value = node_json(&manager, &manager.id.to_string(), &[], Some(&tls));
        assert_eq!(value["Description"]["TLSInfo"]["CertIssuerSubject"], "AQ==");
        assert_eq!(value["ManagerStatus"]["Leader"], true);
        assert_eq!(value["Spec"]["Role"], "manager");
        let worker = node_json(&sample::node(2, Role::Worker), "", &[], None);
        assert!(worker.get("ManagerStatus").is_none());
    }

    #[test]
    fn a_node_has_its_resources_and_drivers_in_dockers_fields() {
        let mut node = sample::node(1, Role::Worker);
        let bare = node_json(&node, "", &[], None);
        assert_eq!(bare["Description"]["Engine"].get("Plugins"), None);
        let description = node.description.as_mut().unwrap();
        description.generic_resources = vec!["SSD=3".parse().unwrap(), "GPU=UUID1".parse().unwrap()];
        description.plugins = vec!["Volume/local".into()];
        let described = &shown(&node_json(&node, "", &[], None))["Description"];
        assert_eq!(
            described["Resources"]["GenericResources"],
            json!([
                { "DiscreteResourceSpec": { "Kind": "SSD", "Value": 3 } },
                { "NamedResourceSpec": { "Kind": "GPU", "Value": "UUID1" } },
            ])
        );
        assert_eq!(
            described["Engine"]["Plugins"],
            json!([{ "Type": "Volume", "Name": "local" }])
        );
    }

    #[test]
    fn a_network_tells_its_subnet_and_vni() {
        let value = network_json(&sample::network());
        assert_eq!(value["IPAM"]["Config"][0]["Subnet"], "10.1.0.0/24");
        assert_eq!(
            value["Options"]["com.docker.network.driver.overlay.vxlanid_list"],
            "4097"
        );
    }
}
