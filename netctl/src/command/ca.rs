//! `swarm ca`: shows the cluster's root certificate, or replaces it by another and waits until every node has it.

use std::{fs, path::PathBuf, time::Duration};

use model::ClusterSettings;
use wire::pb;

use super::screen::Screen;
use crate::{
    args::CaArgs,
    client::{Client, request_id},
    failure::Failure,
    request::duration,
    terminal,
};

const POLL: Duration = Duration::from_millis(200);
/// Polls between two questions which nodes are missing.
const NAMED_EVERY: u32 = 10;
/// Nodes that are named at a time.
const NAMED: usize = 8;
/// Characters of a progress bar.
const BAR: usize = 50;

/// Runs the command.
pub async fn ca(client: &mut Client, args: &CaArgs) -> Result<(), Failure> {
    let mut cluster = get(client).await?;
    if !args.rotate {
        terminal::show(&cluster.root_ca);
        return Ok(());
    }
    let (root_ca, root_key) = (read(args.ca_cert.as_ref())?, read(args.ca_key.as_ref())?);
    if let Some(text) = &args.cert_expiry {
        cluster = expire(client, cluster, text).await?;
    }
    let request = pb::RotateRootRequest {
        request: request_id(),
        version: cluster.version,
        root_ca,
        root_key,
    };
    let started = client.control.rotate_root(request).await?.into_inner();
    if args.detach {
        return Ok(());
    }
    tokio::select! {
        outcome = follow(client, &started.root_digest, args.quiet) => outcome,
        _ = tokio::signal::ctrl_c() => {
            terminal::say(
                "\nOperation continuing in background.\nUse `netctl swarm ca` to see the root that is in use.",
            );
            Ok(())
        }
    }
}

async fn get(client: &mut Client) -> Result<pb::Cluster, Failure> {
    Ok(client.control.get_cluster(pb::GetClusterRequest {}).await?.into_inner())
}

/// What a file has; nothing if none is named.
pub fn read(path: Option<&PathBuf>) -> Result<String, Failure> {
    let Some(path) = path else { return Ok(String::new()) };
    fs::read_to_string(path).map_err(|error| Failure::Wrong(format!("cannot read {}: {error}", path.display())))
}

/// Changes the life of the certificates that are about to be made.
async fn expire(client: &mut Client, cluster: pb::Cluster, text: &str) -> Result<pb::Cluster, Failure> {
    let mut settings = ClusterSettings::try_from(cluster.settings.unwrap_or_default())?;
    settings.cert_expiry = duration("--cert-expiry", text)?;
    settings.validate()?;
    let request = pb::UpdateClusterRequest {
        request: request_id(),
        version: cluster.version,
        settings: Some(settings.into()),
    };
    Ok(client.control.update_cluster(request).await?.into_inner())
}

/// Waits until every node trusts the root with this digest and no other; ends with showing it.
async fn follow(client: &mut Client, digest: &str, quiet: bool) -> Result<(), Failure> {
    let mut screen = Screen::new(quiet);
    let (mut missing, mut polls) = (None, 0u32);
    loop {
        let cluster = get(client).await?;
        if cluster.root_digest != digest {
            return Err(Failure::Wrong(format!(
                "another rotation of the root began: sha256:{} is wanted now",
                cluster.root_digest
            )));
        }
        polls = polls.wrapping_add(1);
        if polls.is_multiple_of(NAMED_EVERY) {
            let nodes = client.control.list_nodes(pb::ListNodesRequest::default()).await?;
            missing = waited_for(&nodes.into_inner().nodes);
        }
        let done = cluster.next_root_ca.is_none() && cluster.trusting_nodes == cluster.nodes;
        screen.draw(&progress(&cluster, missing.as_deref().filter(|_| !done)));
        if done {
            terminal::show(&cluster.root_ca);
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The nodes that have not got what they are to have, in words; `None` if all have.
fn waited_for(nodes: &[pb::Node]) -> Option<String> {
    let name = |node: &pb::Node| {
        let hostname = node.description.as_ref().map(|described| described.hostname.clone());
        let name = hostname.unwrap_or_else(|| node.id.clone());
        match node.status.as_ref().map(pb::NodeStatus::state) {
            Some(pb::NodeState::Ready) => name,
            _ => format!("{name} (not up)"),
        }
    };
    let mut names: Vec<_> = nodes
        .iter()
        .filter(|node| node.tls_current != Some(true))
        .map(name)
        .collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    (!names.is_empty()).then(|| names.join(", "))
}

fn progress(cluster: &pb::Cluster, missing: Option<&str>) -> Vec<String> {
    let line = |what: &str, done| {
        format!(
            "  {what:<26} [{}] {done}/{} nodes",
            bar(done, cluster.nodes),
            cluster.nodes
        )
    };
    let mut lines = vec![
        format!("desired root digest: sha256:{}", cluster.root_digest),
        line("rotated TLS certificates:", cluster.certified_nodes),
        line("rotated CA certificates:", cluster.trusting_nodes),
    ];
    lines.extend(missing.map(|names| format!("  waiting for: {names}")));
    lines
}

fn bar(done: u32, all: u32) -> String {
    let filled = BAR * done as usize / all.max(1) as usize;
    format!("{:<width$}", format!("{}>", "=".repeat(filled)), width = BAR + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_looks_as_dockers() {
        let cluster = pb::Cluster {
            root_digest: "ab".into(),
            nodes: 2,
            certified_nodes: 1,
            ..pb::Cluster::default()
        };
        assert_eq!(
            progress(&cluster, Some("n2 (not up)")),
            [
                "desired root digest: sha256:ab",
                "  rotated TLS certificates:  [=========================>                         ] 1/2 nodes",
                "  rotated CA certificates:   [>                                                  ] 0/2 nodes",
                "  waiting for: n2 (not up)",
            ]
        );
    }

    #[test]
    fn nodes_without_the_new_root_are_named() {
        let node = |name: &str, state: pb::NodeState, tls_current| pb::Node {
            id: "5vxy".to_owned(),
            description: (!name.is_empty()).then(|| pb::NodeDescription {
                hostname: name.to_owned(),
                ..pb::NodeDescription::default()
            }),
            status: Some(pb::NodeStatus {
                state: state.into(),
                ..pb::NodeStatus::default()
            }),
            tls_current,
            ..pb::Node::default()
        };
        let (ready, down) = (pb::NodeState::Ready, pb::NodeState::Down);
        let mut nodes = vec![node("n1", ready, Some(true))];
        assert_eq!(waited_for(&nodes), None);
        nodes.extend([
            node("n2", ready, Some(false)),
            node("n3", down, Some(false)),
            node("", down, None),
        ]);
        assert_eq!(waited_for(&nodes).as_deref(), Some("n2, n3 (not up), 5vxy (not up)"));
        nodes.extend((0..7).map(|_| node("n9", ready, None)));
        assert!(waited_for(&nodes).is_some_and(|names| names.ends_with("n9, 2 more")));
    }
}
