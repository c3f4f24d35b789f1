//! Brings the cluster in line with a plan: networks, then secrets and configs, then services, each with docker's line.

use std::collections::BTreeMap;

use model::{NetworkSpec, Payload, Service, ServiceSpec};
use tonic::Code;
use wire::pb;

use super::{
    NAMESPACE,
    convert::{PayloadPlan, Plan},
};
use crate::{
    client::{Client, request_id},
    command::fetch,
    failure::Failure,
    render::natural,
    request::registry_auth,
    terminal::say,
};

/// How services are deployed.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Services of the stack that the plan does not have go.
    pub prune: bool,
    /// Registry credentials are sent along.
    pub with_registry_auth: bool,
}

/// Makes and changes what the plan says. Gives the ids of its services.
///
/// # Errors
/// The first refusal; what was done before stays, and the same command goes on from there.
pub async fn deploy(client: &mut Client, stack: &str, plan: Plan, manner: Manner) -> Result<Vec<String>, Failure> {
    let there = services_of(client, stack).await?;
    if manner.prune {
        let gone = |service: &&Service| !plan.services.iter().any(|spec| spec.name == service.spec.name.as_str());
        for service in there.iter().filter(gone) {
            say(&format!("Removing service {}", service.spec.name));
            remove_service(client, service).await?;
        }
    }
    make_networks(client, plan.networks).await?;
    for payload in plan.payloads {
        put_payload(client, payload).await?;
    }
    // A secret or config with other bytes has changed the services that use it.
    let there = services_of(client, stack).await?;
    let by_name: BTreeMap<_, _> = there
        .iter()
        .map(|service| (service.spec.name.as_str(), service))
        .collect();
    let mut ids = Vec::new();
    for mut spec in plan.services {
        if let Some(container) = spec.container.as_mut().filter(|_| manner.with_registry_auth) {
            container.registry_auth = registry_auth(&container.image)?;
        }
        let old = by_name.get(spec.name.as_str()).copied();
        if let Some(old) = old {
            keep(&mut spec, &old.spec, manner);
        }
        ids.push(put_service(client, spec, old).await?);
    }
    Ok(ids)
}

/// Those that are not there yet.
async fn make_networks(client: &mut Client, specs: Vec<NetworkSpec>) -> Result<(), Failure> {
    let there = fetch::networks(client).await?;
    let is_there = |spec: &NetworkSpec| there.iter().any(|network| network.spec.name == spec.name);
    for spec in specs.into_iter().filter(|spec| !is_there(spec)) {
        say(&format!("Creating network {}", spec.name));
        let request = pb::CreateNetworkRequest {
            request: request_id(),
            spec: Some(spec.into()),
        };
        client.control.create_network(request).await?;
    }
    Ok(())
}

/// The services of a stack, by name.
pub async fn services_of(client: &mut Client, stack: &str) -> Result<Vec<Service>, Failure> {
    let mut services = fetch::services(client).await?;
    services.retain(|service| service.spec.labels.get(NAMESPACE).is_some_and(|name| name == stack));
    services.sort_by(|a, b| natural(a.spec.name.as_str(), b.spec.name.as_str()));
    Ok(services)
}

/// Removes a service.
pub async fn remove_service(client: &mut Client, service: &Service) -> Result<(), Failure> {
    let request = pb::RemoveRequest {
        request: request_id(),
        r#ref: service.id.to_string(),
        force: false,
    };
    client.control.remove_service(request).await?;
    Ok(())
}

/// What the file says nothing of stays as it is, or each deployment would replace all tasks: how often an update was
/// forced, and the credentials that came with an earlier deployment.
fn keep(spec: &mut pb::ServiceSpec, old: &ServiceSpec, manner: Manner) {
    spec.force_update = old.force_update;
    if let Some(container) = spec.container.as_mut().filter(|_| !manner.with_registry_auth) {
        container.registry_auth.clone_from(&old.container.registry_auth);
    }
}

async fn put_service(client: &mut Client, spec: pb::ServiceSpec, old: Option<&Service>) -> Result<String, Failure> {
    let Some(old) = old else {
        say(&format!("Creating service {}", spec.name));
        let request = pb::CreateServiceRequest {
            request: request_id(),
            spec: Some(spec),
        };
        return Ok(client.control.create_service(request).await?.into_inner().id);
    };
    say(&format!("Updating service {} (id: {})", spec.name, old.id));
    let request = pb::UpdateServiceRequest {
        request: request_id(),
        r#ref: old.id.to_string(),
        version: old.version,
        spec: Some(spec),
        ..Default::default()
    };
    Ok(client.control.update_service(request).await?.into_inner().id)
}

/// Makes a secret or config, or puts other bytes under its name; leaves it alone if it has them. A secret's bytes cannot
/// be read back, so that they are put again: services change only if the managers see a difference.
async fn put_payload(client: &mut Client, plan: PayloadPlan) -> Result<(), Failure> {
    let kind = pb::PayloadKind::from(plan.kind).into();
    let request = pb::ListPayloadsRequest {
        kind,
        refs: vec![plan.name.clone()],
    };
    let found = match client.control.list_payloads(request).await {
        Ok(answer) => answer.into_inner().payloads.into_iter().next(),
        Err(status) if status.code() == Code::NotFound => None,
        Err(status) => return Err(status.into()),
    };
    let Some(found) = found.map(Payload::try_from).transpose()? else {
        say(&format!("Creating {} {}", plan.kind, plan.name));
        let spec = pb::PayloadSpec {
            name: plan.name,
            labels: labels(plan.labels),
            templated: plan.templated,
        };
        let request = pb::CreatePayloadRequest {
            request: request_id(),
            kind,
            spec: Some(spec),
            data: plan.bytes,
        };
        client.control.create_payload(request).await?;
        return Ok(());
    };
    if found.bytes.as_bytes() == plan.bytes {
        return Ok(());
    }
    say(&format!("Updating {} {} (id: {})", plan.kind, plan.name, found.id));
    let request = pb::RotatePayloadRequest {
        request: request_id(),
        kind,
        r#ref: found.id.to_string(),
        data: plan.bytes,
    };
    client.control.rotate_payload(request).await?;
    Ok(())
}

fn labels(map: BTreeMap<String, String>) -> Vec<pb::Label> {
    map.into_iter().map(|(name, value)| pb::Label { name, value }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_unless_others_are_sent() {
        let spec = || ServiceSpec::new("shop_web".parse().unwrap(), "reg.example/web:1");
        let mut old = spec();
        old.container.registry_auth = Some("e30=".into());
        old.force_update = 2;
        let kept = |with_registry_auth| {
            let mut new = pb::ServiceSpec::from(spec());
            let manner = Manner {
                prune: false,
                with_registry_auth,
            };
            keep(&mut new, &old, manner);
            (new.container.unwrap().registry_auth, new.force_update)
        };
        assert_eq!(kept(false), (Some("e30=".into()), 2));
        assert_eq!(kept(true), (None, 2), "what was found now counts");
    }
}
