//! `stack rm`: services, then secrets, configs and networks. One that is refused keeps no other from going.

use std::{collections::BTreeMap, time::Duration};

use model::{Network, Payload, Service};
use wire::pb;

use crate::{
    args::StackRemoveArgs,
    client::{Client, request_id},
    command::fetch,
    failure::{Failure, Failures},
    stack::{NAMESPACE, remove_service, services_of},
    terminal::{complain, say},
};

const POLL: Duration = Duration::from_millis(200);

/// Removes stacks, and waits for the end of their tasks if that is asked for.
pub async fn remove(client: &mut Client, args: &StackRemoveArgs) -> Result<(), Failure> {
    let mut failures = Failures::default();
    for stack in &args.stacks {
        failures.note(remove_one(client, stack, args.detach.unwrap_or(true)).await);
    }
    failures.end()
}

async fn remove_one(client: &mut Client, stack: &str, detach: bool) -> Result<(), Failure> {
    let is_of = |labels: &BTreeMap<String, String>| labels.get(NAMESPACE).is_some_and(|name| name == stack);
    let services = services_of(client, stack).await?;
    let mut payloads = fetch::payloads(client, None).await?;
    payloads.retain(|payload| is_of(&payload.spec.labels));
    let mut networks = fetch::networks(client).await?;
    networks.retain(|network| is_of(&network.spec.labels));
    if services.is_empty() && payloads.is_empty() && networks.is_empty() {
        complain(&format!("Nothing found in stack: {stack}"));
        return Ok(());
    }
    let mut all_gone = true;
    for service in &services {
        let what = format!("service {}", service.spec.name);
        all_gone &= told(&what, remove_service(client, service)).await;
    }
    for payload in &payloads {
        let what = format!("{} {}", payload.kind, payload.spec.name);
        all_gone &= told(&what, remove_payload(client, payload)).await;
    }
    for network in &networks {
        let what = format!("network {}", network.spec.name);
        all_gone &= told(&what, remove_network(client, network)).await;
    }
    match (all_gone, detach) {
        (false, _) => Err(Failure::Wrong(format!(
            "failed to remove some resources from stack: {stack}"
        ))),
        (true, true) => Ok(()),
        (true, false) => wait(client, stack, &services).await,
    }
}

/// Says what goes, and why if it does not. True: it is gone.
async fn told(what: &str, removal: impl Future<Output = Result<(), Failure>>) -> bool {
    say(&format!("Removing {what}"));
    let outcome = removal.await;
    if let Err(failure) = &outcome {
        complain(&format!("Failed to remove {what}: {failure}"));
    }
    outcome.is_ok()
}

async fn remove_payload(client: &mut Client, payload: &Payload) -> Result<(), Failure> {
    let request = pb::RemovePayloadRequest {
        request: request_id(),
        kind: pb::PayloadKind::from(payload.kind).into(),
        r#ref: payload.id.to_string(),
    };
    client.control.remove_payload(request).await?;
    Ok(())
}

async fn remove_network(client: &mut Client, network: &Network) -> Result<(), Failure> {
    let request = pb::RemoveRequest {
        request: request_id(),
        r#ref: network.id.to_string(),
        force: false,
    };
    client.control.remove_network(request).await?;
    Ok(())
}

/// Until no task of the services runs any more. Ctrl-C ends the waiting, not the removal.
async fn wait(client: &mut Client, stack: &str, services: &[Service]) -> Result<(), Failure> {
    tokio::select! {
        outcome = tasks_end(client, services) => outcome.map_err(|failure| {
            Failure::Wrong(format!("failed to wait on tasks of stack: {stack}: {failure}"))
        }),
        _ = tokio::signal::ctrl_c() => {
            say("\nOperation continuing in background.");
            Ok(())
        }
    }
}

async fn tasks_end(client: &mut Client, services: &[Service]) -> Result<(), Failure> {
    loop {
        // All tasks: those of services that are gone can be asked for by nothing else.
        let tasks = fetch::tasks(client, pb::ListTasksRequest::default()).await?;
        let of_stack = |service| services.iter().any(|other| other.id == service);
        let mut left = tasks.iter().filter(|task| of_stack(task.service));
        if left.all(|task| task.status.state.is_terminal()) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}
