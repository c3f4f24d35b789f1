//! `stack deploy|ls|ps|services|rm`

mod remove;

use std::collections::BTreeMap;

use wire::pb;

use crate::{
    args::{ResolveImageArg, StackDeployArgs, StackListArgs, StackServicesArgs, StacksArgs},
    client::Client,
    failure::{Failure, Failures},
    render::stack_rows,
    stack::{self, Manner, NAMESPACE, services_of},
    terminal::{complain, show},
};

use super::{
    converge::{self, Change},
    fetch, network, service,
};

pub use remove::remove;

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
