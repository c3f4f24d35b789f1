//! `info` and `version`. The lines of `info` can be searched as docker's: ` Swarm: active`.

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use wire::pb::{ClusterSettings, InfoResponse};

use super::{inspect::tls_json, time::words};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `info` for people.
pub fn info_text(info: &InfoResponse) -> String {
    let mut text = format!(
        "Client:\n Version:    {VERSION}\n\nServer:\n Server Version: {}\n",
        info.version
    );
    let _ = writeln!(text, " Swarm: {}", info.state);
    if !info.error.is_empty() {
        let _ = writeln!(text, "  Error: {}", info.error);
    }
    if !info.node.is_empty() {
        swarm(&mut text, info);
    }
    let _ = writeln!(text, " Engine Version: {}", info.engine_version);
    let _ = writeln!(text, " Kernel Version: {}", info.kernel_version);
    let _ = writeln!(text, " Name: {}", info.hostname);
    for warning in &info.warnings {
        let _ = writeln!(text, "WARNING: {warning}");
    }
    text
}

fn swarm(text: &mut String, info: &InfoResponse) {
    let _ = writeln!(text, "  NodeID: {}", info.node);
    let _ = writeln!(text, "  Is Manager: {}", info.manager);
    if info.manager {
        let _ = writeln!(text, "  ClusterID: {}", info.cluster);
        let _ = writeln!(text, "  Managers: {}\n  Nodes: {}", info.managers, info.nodes);
        let _ = writeln!(text, "  Default Address Pool: {}  ", info.address_pools.join(" "));
    }
    if info.data_port != 0 {
        let _ = writeln!(text, "  Data Path Port: {}", info.data_port);
    }
    if let Some(settings) = &info.settings {
        cluster_settings(text, settings);
    }
    if let Some(since) = cut_off(info) {
        let _ = writeln!(text, "  Cut Off: {since}; {GOES_ON}");
    }
    let _ = writeln!(text, "  Node Address: {}", info.node_addr);
    if !info.manager_addrs.is_empty() {
        text.push_str("  Manager Addresses:\n");
    }
    for addr in &info.manager_addrs {
        let _ = writeln!(text, "   {addr}");
    }
}

/// What a node does without managers.
pub const GOES_ON: &str =
    "containers, networks, names and published ports of this node go on, and so do restarts; changes have to wait";

/// For how long the node has had no session with the managers, in words.
pub fn cut_off(info: &InfoResponse) -> Option<String> {
    let since = u64::try_from(info.cut_off_since).ok().filter(|since| *since > 0)?;
    let at = UNIX_EPOCH + Duration::from_nanos(since);
    let span = SystemTime::now().duration_since(at).unwrap_or_default();
    Some(format!("no manager in reach for {}", words(span).to_lowercase()))
}

fn cluster_settings(text: &mut String, settings: &ClusterSettings) {
    let _ = writeln!(text, "  SubnetSize: {}", settings.subnet_prefix);
    let _ = writeln!(
        text,
        "  Orchestration:\n   Task History Retention Limit: {}",
        settings.task_history_limit
    );
    let _ = writeln!(
        text,
        "  Raft:\n   Snapshot Interval: {}\n   Number of Old Snapshots to Retain: 0",
        settings.snapshot_interval
    );
    let period = match settings.heartbeat_ms {
        short @ ..1000 => format!("{short} milliseconds"),
        long => words(Duration::from_millis(long.into())),
    };
    let _ = writeln!(
        text,
        "  Dispatcher:\n   Heartbeat Period: {period}\n   Heartbeat Grace: {}",
        settings.heartbeat_grace
    );
    let expiry = words(Duration::from_nanos(settings.cert_expiry));
    let _ = writeln!(text, "  CA Configuration:\n   Expiry Duration: {expiry}");
    let _ = writeln!(text, "  Autolock Managers: {}", settings.autolock);
    let _ = writeln!(text, "  Allow Privileged: {}", settings.allow_privileged);
}

fn spec_json(settings: &ClusterSettings) -> Value {
    let heartbeat = u64::from(settings.heartbeat_ms) * 1_000_000;
    json!({
        "Orchestration": { "TaskHistoryRetentionLimit": settings.task_history_limit },
        "Raft": { "SnapshotInterval": settings.snapshot_interval, "KeepOldSnapshots": 0 },
        "Dispatcher": { "HeartbeatPeriod": heartbeat, "HeartbeatGrace": settings.heartbeat_grace },
        "CAConfig": { "NodeCertExpiry": settings.cert_expiry },
        "EncryptionConfig": { "AutoLockManagers": settings.autolock },
        "AllowPrivileged": settings.allow_privileged,
    })
}

/// `info --format json`, in the Engine API's fields.
pub fn info_json(info: &InfoResponse) -> Value {
    let managers = info.manager_addrs.iter().map(|addr| json!({ "Addr": addr }));
    json!({
        "Name": info.hostname,
        "ServerVersion": info.version,
        "EngineVersion": info.engine_version,
        "KernelVersion": info.kernel_version,
        "OSType": "linux",
        "Swarm": {
            "NodeID": info.node,
            "NodeAddr": info.node_addr,
            "LocalNodeState": info.state,
            "ControlAvailable": info.manager,
            "Error": info.error,
            "RemoteManagers": managers.collect::<Vec<_>>(),
            "Nodes": info.nodes,
            "Managers": info.managers,
            "Cluster": {
                "ID": info.cluster,
                "DefaultAddrPool": info.address_pools,
                "SubnetSize": info.settings.as_ref().map(|settings| settings.subnet_prefix),
                "Spec": info.settings.as_ref().map(spec_json),
                "DataPathPort": info.data_port,
                "TLSInfo": info.tls.as_ref().map(tls_json),
            },
        },
        "Warnings": info.warnings,
    })
}

/// `version` for people; the server's part only if it answered.
pub fn version_text(server: Option<&InfoResponse>) -> String {
    let mut text = format!("Client: netctl\n Version:           {VERSION}\n");
    if let Some(info) = server {
        let _ = write!(
            text,
            "\nServer: netd\n Version:           {}\n Engine Version:    {}\n Kernel Version:    {}\n",
            info.version, info.engine_version, info.kernel_version
        );
    }
    text
}

/// `version --format json`.
pub fn version_json(server: Option<&InfoResponse>) -> Value {
    let server = server.map(|info| {
        json!({
            "Version": info.version,
            "EngineVersion": info.engine_version,
            "KernelVersion": info.kernel_version,
        })
    });
    json!({ "Client": { "Version": VERSION }, "Server": server })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inactive_node_says_so_as_docker_does() {
        let info = InfoResponse {
            state: "inactive".into(),
            ..Default::default()
        };
        assert!(info_text(&info).contains("\n Swarm: inactive\n"));
        assert!(!info_text(&info).contains("NodeID"));
    }

    #[test]
    fn a_manager_tells_the_cluster() {
        let info = InfoResponse {
            state: "active".into(),
            node: "n".into(),
            manager: true,
            nodes: 3,
            managers: 1,
            manager_addrs: vec!["192.0.2.1:2377".into()],
            warnings: vec!["port 80/tcp is held by nginx".into()],
            settings: Some(model::ClusterSettings::default().into()),
            ..Default::default()
        };
        let text = info_text(&info);
        for line in [
            "\n Swarm: active\n  NodeID: n\n  Is Manager: true\n",
            "\n  Managers: 1\n  Nodes: 3\n",
            "\n  Orchestration:\n   Task History Retention Limit: 5\n  Raft:\n   Snapshot Interval: 10000\n",
            "\n   Heartbeat Period: 800 milliseconds\n",
            "\n  CA Configuration:\n   Expiry Duration: 3 months\n",
            "\n  Allow Privileged: false\n",
            "\n   192.0.2.1:2377\n",
            "\nWARNING: port 80/tcp is held by nginx\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        let swarm = &info_json(&info)["Swarm"];
        assert_eq!(swarm["LocalNodeState"], "active");
        assert_eq!(swarm["Cluster"]["Spec"]["AllowPrivileged"], false);
    }
}
