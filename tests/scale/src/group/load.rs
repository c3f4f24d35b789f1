//! Services, from the first call that creates one until the last task runs, as a manager's state says.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, stream};
use model::RequestId;
use tokio::time::sleep;
use tonic::transport::Channel;
use wire::pb::{self, control_client::ControlClient};

use super::{Group, PATIENCE, Size, agent::Told, join, persistently, still::Still};
use crate::figure;

/// Callers at once.
const CALLS: usize = 32;
/// A manager holds updates of a node back for a second at most: when no agent has heard of anything for this long, all
/// have heard of everything.
const QUIET: Duration = Duration::from_millis(2500);
/// Between two looks at what the agents were told.
const LOOK: Duration = Duration::from_millis(50);
/// Where the ids of requests of each kind begin.
const NETWORKS: u128 = 1 << 64;
const SERVICES: u128 = 2 << 64;

/// How figures of this size are called.
pub fn name(size: Size) -> String {
    let tasks = size.services * size.replicas as usize;
    format!("raft_{}_managers_{}_agents_{tasks}_tasks", size.managers, size.agents)
}

/// Creates all services, and waits for their tasks.
pub async fn measure(group: &mut Group, size: Size) -> Result<()> {
    let first = &group.managers[0];
    let control = &ControlClient::new(join::channel(&first.credentials, first.addr).await?);
    // One after the other: two that are made at the same time may look for the same subnet.
    for number in 0..size.services {
        persistently(|| network(control.clone(), number)).await?;
    }
    let tasks = size.services * size.replicas as usize;
    // One that does not lead counts: it has something better to do otherwise.
    let leader = group.leader().await?;
    let other = group.managers.iter_mut().enumerate().find(|(at, _)| *at != leader);
    let (_, other) = other.context("a group of one")?;
    let (term, before) = (other.term().await?, told_all(&group.told).await?);
    let began = Instant::now();
    let create = |number| persistently(move || service(control.clone(), number, size.replicas));
    let calls = stream::iter((0..size.services).map(create));
    let mut calls = calls.buffer_unordered(CALLS);
    while let Some(created) = calls.next().await {
        created?;
    }
    figure::rate(&format!("{}_services", name(size)), size.services, began.elapsed());
    other.figures(&format!("running {tasks}")).await?;
    figure::rate(&format!("{}_create_to_running", name(size)), tasks, began.elapsed());
    let told = (told_all(&group.told).await? - before) as f64 / tasks as f64;
    figure::tell(&format!("{}_told_to_agents_per_task", name(size)), told, "bytes");
    undisturbed(term, other.term().await?)
}

/// What the agents were told, once nothing more comes.
async fn told_all(told: &Told) -> Result<u64> {
    let began = Instant::now();
    let mut still = Still::at(told.bytes(), began);
    while still.look(told.bytes(), Instant::now()) < QUIET {
        let seconds = PATIENCE.as_secs();
        ensure!(
            began.elapsed() < PATIENCE,
            "agents are told news after news for {seconds} s: nothing should change any more"
        );
        sleep(LOOK).await;
    }
    Ok(told.bytes())
}

/// One election while it was measured, and the figures are of something else.
fn undisturbed(before: u64, after: u64) -> Result<()> {
    ensure!(
        before == after,
        "the leader changed while it was measured (raft's term was {before} and is {after}): measure again, on a machine \
         with less to do"
    );
    Ok(())
}

/// The same for each repetition, so that it is carried out once.
fn request(kind: u128, number: usize) -> String {
    RequestId::from_bits(kind + number as u128).to_string()
}

async fn network(mut control: ControlClient<Channel>, number: usize) -> Result<()> {
    let spec = pb::NetworkSpec {
        name: format!("net-{number}"),
        ..pb::NetworkSpec::default()
    };
    let created = control
        .create_network(pb::CreateNetworkRequest {
            request: request(NETWORKS, number),
            spec: Some(spec),
        })
        .await;
    created.map(drop).with_context(|| format!("network net-{number}"))
}

async fn service(mut control: ControlClient<Channel>, number: usize, replicas: u32) -> Result<()> {
    let name = format!("service-{number}");
    let mut spec = pb::ServiceSpec::from(model::ServiceSpec::new(
        name.parse()?,
        "registry.example.com/team/web:1.2.3",
    ));
    spec.mode = Some(pb::service_spec::Mode::Replicated(pb::ReplicatedMode { replicas }));
    spec.networks = vec![pb::NetworkAttachment {
        network: format!("net-{number}"),
        aliases: Vec::new(),
    }];
    let created = control
        .create_service(pb::CreateServiceRequest {
            request: request(SERVICES, number),
            spec: Some(spec),
        })
        .await;
    created.map(drop).with_context(|| format!("service {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_election_meanwhile_spoils_the_figures() {
        assert!(undisturbed(4, 4).is_ok());
        let why = undisturbed(4, 5).unwrap_err().to_string();
        assert!(why.contains("was 4 and is 5"), "{why}");
    }
}
