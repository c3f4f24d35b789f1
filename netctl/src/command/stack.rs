//! `stack deploy|ls|ps|services|rm`

use std::collections::BTreeMap;

use wire::pb;

use crate::{
    args::{ResolveImageArg, StackDeployArgs, StackListArgs, StackRemoveArgs, StackServicesArgs, StacksArgs},
    client::{Client, request_id},
    failure::{Failure, Failures},
    render::stack_rows,
    stack::{self, Manner, NAMESPACE, services_of},
    terminal::{complain, say, show},
};

use super::{
    converge::{self, Change},
    fetch, network, service,
};

/// Makes or changes a stack, and waits until its services run.
pub async fn deploy(client: &mut Client, args: &StackDeployArgs) -> Result<(), Failure> {
    if args.resolve_image.is_some_and(|when| when != ResolveImageArg::Never) {
        complain("--resolve-image: images stay as the file names them; nodes ask the registry when they pull");
    }
    let file = stack::read_all(&args.compose_file, &stack::environment())?;
    let plan = stack::plan(&file, &args.stack, stack::folder(&args.compose_file))?;
    plan.networks.iter().for_each(network::warn_of_attachable);
    let manner = Manner {
        prune: args.prune,
        with_registry_auth: args.with_registry_auth,
    };
    let ids = stack::deploy(client, &args.stack, plan, manner).await?;
    let mut failures = Failures::default();
    for id in ids.iter().filter(|_| !args.detach) {
        failures.note(converge::wait(client, id, args.quiet, Change::Forward).await);
    }
    failures.end()
}

/// Lists stacks.
pub async fn list(client: &mut Client, args: &StacksArgs) -> Result<(), Failure> {
    let mut stacks: BTreeMap<String, usize> = BTreeMap::new();
    for service in fetch::services(client).await? {
        if let Some(stack) = service.spec.labels.get(NAMESPACE) {
            *stacks.entry(stack.clone()).or_default() += 1;
        }
    }
    show(&stack_rows(&stacks).render(args.format.as_deref(), false)?);
    Ok(())
}

async fn found(client: &mut Client, stack: &str) -> Result<Vec<model::Service>, Failure> {
    let services = services_of(client, stack).await?;
    match services.is_empty() {
        true => Err(Failure::Wrong(format!("nothing found in stack: {stack}"))),
        false => Ok(services),
    }
}

/// Lists the tasks of a stack.
pub async fn tasks(client: &mut Client, args: &StackListArgs) -> Result<(), Failure> {
    let services = found(client, &args.stack).await?;
    let request = pb::ListTasksRequest {
        services: services.iter().map(|service| service.id.to_string()).collect(),
        ..Default::default()
    };
    let tasks = fetch::tasks(client, request).await?;
    service::show_tasks(client, tasks, &args.list, args.no_resolve).await
}

/// Lists the services of a stack.
pub async fn services(client: &mut Client, args: &StackServicesArgs) -> Result<(), Failure> {
    let filter = service::filter(&args.list)?;
    let mut services = found(client, &args.stack).await?;
    services.retain(|service| service::passes(&filter, service));
    service::show_services(client, services, &args.list).await
}

/// Removes stacks: services, then secrets, configs and networks.
pub async fn remove(client: &mut Client, args: &StackRemoveArgs) -> Result<(), Failure> {
    let mut failures = Failures::default();
    for stack in &args.stacks {
        failures.note(remove_one(client, stack).await);
    }
    failures.end()
}

async fn remove_one(client: &mut Client, stack: &str) -> Result<(), Failure> {
    let mut done = 0;
    let mine = |labels: &BTreeMap<String, String>| labels.get(NAMESPACE).is_some_and(|name| name == stack);
    for service in services_of(client, stack).await? {
        say(&format!("Removing service {}", service.spec.name));
        stack::remove_service(client, &service).await?;
        done += 1;
    }
    for payload in fetch::payloads(client, None)
        .await?
        .into_iter()
        .filter(|p| mine(&p.spec.labels))
    {
        say(&format!("Removing {} {}", payload.kind, payload.spec.name));
        let request = pb::RemovePayloadRequest {
            request: request_id(),
            kind: pb::PayloadKind::from(payload.kind).into(),
            r#ref: payload.id.to_string(),
        };
        client.control.remove_payload(request).await?;
        done += 1;
    }
    for network in fetch::networks(client)
        .await?
        .into_iter()
        .filter(|n| mine(&n.spec.labels))
    {
        say(&format!("Removing network {}", network.spec.name));
        let request = pb::RemoveRequest {
            request: request_id(),
            r#ref: network.id.to_string(),
            force: false,
        };
        client.control.remove_network(request).await?;
        done += 1;
    }
    if done == 0 {
        complain(&format!("Nothing found in stack: {stack}"));
    }
    Ok(())
}
