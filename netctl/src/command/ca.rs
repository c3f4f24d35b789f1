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
    loop {
        let cluster = get(client).await?;
        if cluster.root_digest != digest {
            return Err(Failure::Wrong(format!(
                "another rotation of the root began: sha256:{} is wanted now",
                cluster.root_digest
            )));
        }
        screen.draw(&progress(&cluster));
        if cluster.next_root_ca.is_none() && cluster.trusting_nodes == cluster.nodes {
            terminal::show(&cluster.root_ca);
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

fn progress(cluster: &pb::Cluster) -> Vec<String> {
    let line = |what: &str, done| {
        format!(
            "  {what:<26} [{}] {done}/{} nodes",
            bar(done, cluster.nodes),
            cluster.nodes
        )
    };
    vec![
        format!("desired root digest: sha256:{}", cluster.root_digest),
        line("rotated TLS certificates:", cluster.certified_nodes),
        line("rotated CA certificates:", cluster.trusting_nodes),
    ]
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
            progress(&cluster),
            [
                "desired root digest: sha256:ab",
                "  rotated TLS certificates:  [=========================>                         ] 1/2 nodes",
                "  rotated CA certificates:   [>                                                  ] 0/2 nodes",
            ]
        );
    }
}
