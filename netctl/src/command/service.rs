//! `service create|ls|ps|scale|update|rollback|rebalance`

use std::time::{SystemTime, UNIX_EPOCH};

use model::{Ratio, Service, ServiceSpec, Task, Timestamp};
use tonic::Code;
use wire::pb;

use crate::{
    args::{ListArgs, PsArgs, RebalanceArgs, ScaleArgs, ServiceCreateArgs, ServiceUpdateArgs, WaitArgs},
    client::{Client, random, request_id},
    failure::{Failure, Failures},
    render::{service_rows, tasks::TaskRows},
    request::{self, Filter, canary_share, has_label, registry_auth, service_spec, update_spec},
    terminal::{say, show},
};

use super::{
    converge::{self, Change},
    fetch,
};

/// Makes a service, prints its id, and waits until it runs.
pub async fn create(client: &mut Client, args: &ServiceCreateArgs) -> Result<(), Failure> {
    let mut spec = service_spec(args, random())?;
    if let Some(container) = spec.container.as_mut().filter(|_| args.flags.mode.with_registry_auth) {
        container.registry_auth = registry_auth(&container.image)?;
    }
    let request = pb::CreateServiceRequest {
        request: request_id(),
        spec: Some(spec),
    };
    let service = client.control.create_service(request).await?.into_inner();
    say(&service.id);
    wait(client, &service.id, args.wait, Change::Forward).await
}

async fn wait(client: &mut Client, service: &str, wait: WaitArgs, change: Change) -> Result<(), Failure> {
    match wait.detach {
        true => Ok(()),
        false => converge::wait(client, service, wait.quiet, change).await,
    }
}

/// Lists services.
pub async fn list(client: &mut Client, args: &ListArgs) -> Result<(), Failure> {
    let filter = filter(args)?;
    let mut services = fetch::services(client).await?;
    services.retain(|service| passes(&filter, service));
    show_services(client, services, args).await
}

/// What a list of services is filtered by; `stack services` uses it too.
pub fn filter(args: &ListArgs) -> Result<Filter, Failure> {
    Filter::parse(&args.filter, &["id", "name", "label", "mode"])
}

/// Whether a service passes such a filter.
pub fn passes(filter: &Filter, service: &Service) -> bool {
    filter.passes(|key, value| match key {
        "id" => service.id.to_string().starts_with(value),
        "name" => service.spec.name.as_str().starts_with(value),
        "label" => has_label(&service.spec.labels, value),
        _ => service.spec.mode.word().replace(' ', "-") == value,
    })
}

/// Prints services as a list; `stack services` uses it too.
pub async fn show_services(client: &mut Client, services: Vec<Service>, args: &ListArgs) -> Result<(), Failure> {
    let counts = fetch::counts(client).await?;
    let listing = service_rows(services, &counts, args.no_trunc);
    show(&listing.render(args.format.as_deref(), args.quiet)?);
    Ok(())
}

/// Lists the tasks of services.
pub async fn tasks(client: &mut Client, args: &PsArgs) -> Result<(), Failure> {
    let (mut tasks, mut failures) = (Vec::new(), Failures::default());
    for name in &args.services {
        tasks.extend(
            failures
                .note(fetch::tasks_of_service(client, name).await)
                .unwrap_or_default(),
        );
    }
    if !tasks.is_empty() || args.services.len() == 1 {
        show_tasks(client, tasks, &args.list, args.no_resolve).await?;
    }
    failures.end()
}

/// Prints tasks as a list; `node ps` uses it too.
pub async fn show_tasks(
    client: &mut Client,
    mut tasks: Vec<Task>,
    args: &ListArgs,
    no_resolve: bool,
) -> Result<(), Failure> {
    let filter = Filter::parse(&args.filter, &["id", "name", "node", "desired-state"])?;
    let nodes = fetch::hostnames(client).await?;
    tasks.retain(|task| {
        filter.passes(|key, value| match key {
            "id" => task.id.to_string().starts_with(value),
            "name" => task.name().starts_with(value),
            "node" => task.node.is_some_and(|node| {
                node.to_string().starts_with(value) || nodes.get(&node).is_some_and(|name| name == value)
            }),
            _ => task.desired.word().to_lowercase() == value,
        })
    });
    let canaries = fetch::services(client).await?.into_iter();
    let canaries = canaries.filter_map(|service| Some((service.id, service.canary?)));
    let rows = TaskRows {
        nodes: &nodes,
        canaries: &canaries.collect(),
        now: now(),
        no_trunc: args.no_trunc,
        no_resolve,
    };
    show(&rows.listing(tasks).render(args.format.as_deref(), args.quiet)?);
    Ok(())
}

/// The time as objects have it.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Sets the number of tasks of services.
pub async fn scale(client: &mut Client, args: &ScaleArgs) -> Result<(), Failure> {
    let scales = args.scales.iter().map(|text| request::scale(text));
    let scales: Vec<_> = scales.collect::<Result<_, _>>()?;
    let (mut changed, mut failures) = (Vec::new(), Failures::default());
    for (name, replicas) in scales {
        let outcome = change(client, name, None, |mut spec| {
            request::set_replicas(&mut spec.mode, replicas)
                .map_err(|failure| Failure::Wrong(format!("{name}: {failure}")))?;
            Ok(spec.into())
        });
        if let Some(id) = failures.note(outcome.await) {
            say(&format!("{name} scaled to {replicas}"));
            changed.push(id);
        }
    }
    for id in changed {
        failures.note(wait(client, &id, args.wait, Change::Forward).await);
    }
    failures.end()
}

/// Changes a service's spec and prints its name.
pub async fn update(client: &mut Client, args: &ServiceUpdateArgs) -> Result<(), Failure> {
    if args.rollback {
        return rollback(client, &args.service, args.wait).await;
    }
    if args.promote || args.abort {
        return decide_canary(client, args).await;
    }
    let canary = args.canary.as_deref().map(canary_share).transpose()?;
    let networks = fetch::network_names(client).await?;
    let id = change(client, &args.service, canary, |spec| {
        let mut spec = update_spec(spec, args, &networks)?;
        if let Some(container) = spec.container.as_mut().filter(|_| args.flags.mode.with_registry_auth) {
            container.registry_auth = registry_auth(&container.image)?;
        }
        Ok(spec)
    });
    let id = id.await?;
    say(&args.service);
    let change = canary.map_or(Change::Forward, |_| Change::Canary);
    wait(client, &id, args.wait, change).await
}

/// Promotes a service's canary, or aborts it, and prints the service's name.
async fn decide_canary(client: &mut Client, args: &ServiceUpdateArgs) -> Result<(), Failure> {
    let service = fetch::service(client, &args.service).await?;
    let change = match args.promote {
        true => Change::Forward,
        false => Change::Back,
    };
    let id = service.id.to_string();
    let request = pb::UpdateServiceRequest {
        request: request_id(),
        r#ref: id.clone(),
        version: service.version,
        promote: args.promote,
        abort: args.abort,
        ..Default::default()
    };
    client.control.update_service(request).await?;
    say(&args.service);
    wait(client, &id, args.wait, change).await
}

/// Brings back the spec that a service had before its last change.
pub async fn rollback(client: &mut Client, name: &str, wait: WaitArgs) -> Result<(), Failure> {
    let service = fetch::service(client, name).await?;
    let id = service.id.to_string();
    let request = pb::UpdateServiceRequest {
        request: request_id(),
        r#ref: id.clone(),
        version: service.version,
        rollback: true,
        ..Default::default()
    };
    client.control.update_service(request).await?;
    say(name);
    self::wait(client, &id, wait, Change::Back).await
}

/// Lets tasks of a service move until all nodes have equally many.
pub async fn rebalance(client: &mut Client, args: &RebalanceArgs) -> Result<(), Failure> {
    let request = pb::RebalanceServiceRequest {
        request: request_id(),
        r#ref: args.service.clone(),
        budget: args.budget,
    };
    let answer = client.control.rebalance_service(request).await?.into_inner();
    let service = answer.service.map(Service::try_from).transpose()?;
    let Some(service) = service.filter(|service| service.rebalance.is_some()) else {
        say(&format!("{}: nothing has to move", args.service));
        return Ok(());
    };
    say(&args.service);
    wait(client, &service.id.to_string(), args.wait, Change::Moved).await
}

/// Reads a service, changes its spec and sends it back; once more if somebody else changed the service in between.
/// Gives the service's id.
async fn change(
    client: &mut Client,
    name: &str,
    canary: Option<Ratio>,
    edit: impl Fn(ServiceSpec) -> Result<pb::ServiceSpec, Failure>,
) -> Result<String, Failure> {
    const ATTEMPTS: u32 = 3;
    let mut attempt = 1;
    loop {
        let service = fetch::service(client, name).await?;
        let request = pb::UpdateServiceRequest {
            request: request_id(),
            r#ref: service.id.to_string(),
            version: service.version,
            spec: Some(edit(service.spec)?),
            canary: canary.map(Ratio::parts_per_million),
            ..Default::default()
        };
        match client.control.update_service(request).await {
            Ok(_) => return Ok(service.id.to_string()),
            Err(status) if attempt < ATTEMPTS && out_of_sequence(&status) => attempt += 1,
            Err(status) => return Err(status.into()),
        }
    }
}

fn out_of_sequence(status: &tonic::Status) -> bool {
    status.code() == Code::Aborted || status.message().contains("update out of sequence")
}
