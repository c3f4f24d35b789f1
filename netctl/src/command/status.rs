//! `status`: whether the cluster is healthy, as this node sees it, with the reachability of all pairs of nodes. On a
//! worker the local facts alone.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use wire::pb;

use super::fetch;
use crate::{
    args::StatusArgs,
    client::Client,
    failure::Failure,
    render::{Cluster, Format, Health},
    request::duration,
    terminal::{say, show},
};

/// Between two looks while waiting.
const AGAIN: Duration = Duration::from_secs(1);

/// Looks, or looks until all is well, and prints the last look.
pub async fn status(client: &mut Client, args: &StatusArgs) -> Result<(), Failure> {
    let limit = duration("--wait-duration", &args.wait_duration)?;
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let until = Instant::now() + limit;
    loop {
        let health = look(client).await?;
        let problems = health.problems.len();
        if problems > 0 && args.wait && Instant::now() < until {
            sleep(AGAIN).await;
            continue;
        }
        match format {
            Format::Table => show(&health.text()),
            Format::Json | Format::JsonEach => say(&health.json().to_string()),
            Format::Template(template) | Format::TableOf(template) => say(&template.fill(&health.json())?),
        }
        return match problems {
            0 => Ok(()),
            _ => Err(Failure::Unhealthy { problems }),
        };
    }
}

async fn look(client: &mut Client) -> Result<Health, Failure> {
    let info = client.local.info(pb::InfoRequest {}).await?.into_inner();
    let cluster = match info.manager {
        true => Some(cluster(client).await.map_err(|failure| failure.to_string())),
        false => None,
    };
    Ok(Health::of(&info, cluster))
}

/// What a manager says of the cluster.
async fn cluster(client: &mut Client) -> Result<Cluster, Failure> {
    let nodes = fetch::nodes(client, None).await?;
    let services = fetch::services(client).await?;
    let counts = fetch::counts(client).await?;
    let asked = client.control.probe_nodes(pb::ProbeNodesRequest::default()).await;
    let probes = asked
        .map(|answer| answer.into_inner().nodes)
        .map_err(|status| status.message().to_owned());
    Ok(Cluster {
        nodes: nodes.nodes,
        leader: nodes.leader,
        services,
        counts,
        probes,
    })
}
