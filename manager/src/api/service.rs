//! Services, as users ask for them. Networks come by name, short id or id; the state has ids.

use control::{
    ServiceStatus, find_network, find_payload, find_service, plan_abort_canary, plan_create_service,
    plan_promote_canary, plan_rebalance_service, plan_rollback_service, plan_update_service, service_status,
};
use model::{PayloadKind, Ratio, Service, ServiceId, ServiceSpec};
use store::{Command, Refused, RollbackCause, View};
use tonic::Status;
use wire::pb;

use super::{Api, refusal, removed_before, request_id};
use crate::mint;

/// The spec with ids in place of what the user called networks, secrets and configs. Part of each plan, as a name may
/// mean another one by the next attempt.
fn resolve(view: &View, mut spec: pb::ServiceSpec) -> Result<ServiceSpec, Refused> {
    for attachment in &mut spec.networks {
        let network = find_network(view, &attachment.network)?;
        attachment.network = network.id.to_string();
    }
    if let Some(container) = &mut spec.container {
        resolve_files(view, PayloadKind::Secret, &mut container.secrets)?;
        resolve_files(view, PayloadKind::Config, &mut container.configs)?;
    }
    ServiceSpec::try_from(spec).map_err(|why| Refused::Invalid(why.to_string()))
}

/// A secret or config comes by id, or by a name in place of the id, or by its name alone.
fn resolve_files(view: &View, kind: PayloadKind, files: &mut [pb::PayloadRef]) -> Result<(), Refused> {
    for file in files {
        let what = if file.id.is_empty() { &file.name } else { &file.id };
        let payload = find_payload(view, kind, what)?;
        file.id = payload.id.to_string();
        file.name = payload.spec.name.to_string();
    }
    Ok(())
}

/// A request says one thing that is to become of the service.
fn one_way(request: &pb::UpdateServiceRequest) -> Result<(), Status> {
    let ways = [
        request.canary.is_some(),
        request.promote,
        request.abort,
        request.rollback,
    ];
    match ways.into_iter().filter(|given| *given).count() {
        0 | 1 => Ok(()),
        _ => Err(Status::invalid_argument(
            "one update has at most one of canary, promote, abort and rollback",
        )),
    }
}

fn found(view: &View, id: ServiceId) -> Result<pb::Service, Status> {
    let service = view.service(id).cloned();
    service
        .map(Into::into)
        .ok_or_else(|| Status::aborted("the service was removed at the same time"))
}

fn counted(status: ServiceStatus) -> pb::ServiceStatus {
    pb::ServiceStatus {
        running: status.running,
        desired: status.desired,
        completed: status.completed,
    }
}

impl Api {
    pub(super) async fn create_service(&self, request: pb::CreateServiceRequest) -> Result<pb::Service, Status> {
        let id = request_id(&request.request)?;
        let spec = request.spec.unwrap_or_default();
        let service = ServiceId::from_bits(mint::object_of(id, "service"));
        let at = mint::now();
        let plan = move |view: &View| plan_create_service(view, service, at, resolve(view, spec.clone())?);
        let view = self.queue.change(id, plan).await?;
        found(&view, service)
    }

    pub(super) async fn update_service(&self, request: pb::UpdateServiceRequest) -> Result<pb::Service, Status> {
        let id = request_id(&request.request)?;
        one_way(&request)?;
        let view = self.read().await?;
        let service = find_service(&view, &request.r#ref)
            .map_err(|why| refusal::refused(&why))?
            .id;
        let (version, at) = (request.version, mint::now());
        let view = if request.promote || request.abort {
            let plan = match request.promote {
                true => plan_promote_canary,
                false => plan_abort_canary,
            };
            let plan = move |view: &View| plan(view, service, version, at);
            self.queue.change(id, plan).await?
        } else if request.rollback {
            let cause = RollbackCause::Asked;
            let plan = move |view: &View| plan_rollback_service(view, service, version, at, cause);
            self.queue.change(id, plan).await?
        } else {
            let spec = request.spec.unwrap_or_default();
            let canary = request.canary.map(Ratio::new).transpose();
            let canary = canary.map_err(|why| refusal::invalid(&why))?;
            let plan = move |view: &View| {
                let spec = resolve(view, spec.clone())?;
                plan_update_service(view, service, version, at, spec, canary)
            };
            self.queue.change(id, plan).await?
        };
        found(&view, service)
    }

    pub(super) async fn list_services(
        &self,
        request: pb::ListServicesRequest,
    ) -> Result<pb::ListServicesResponse, Status> {
        let view = self.read().await?;
        let services: Vec<Service> = if request.refs.is_empty() {
            view.services().cloned().collect()
        } else {
            let found = request.refs.iter().map(|what| find_service(&view, what).cloned());
            found.collect::<Result<_, _>>().map_err(|why| refusal::refused(&why))?
        };
        let statuses = services.iter().map(|service| counted(service_status(&view, service)));
        Ok(pb::ListServicesResponse {
            statuses: statuses.collect(),
            services: services.into_iter().map(Into::into).collect(),
        })
    }

    pub(super) async fn rebalance_service(
        &self,
        request: pb::RebalanceServiceRequest,
    ) -> Result<pb::RebalanceServiceResponse, Status> {
        let id = request_id(&request.request)?;
        let service = find_service(&self.read().await?, &request.r#ref)
            .map_err(|why| refusal::refused(&why))?
            .id;
        let (budget, at) = (request.budget, mint::now());
        let view = self
            .queue
            .change_newest(id, move |view| plan_rebalance_service(view, service, budget, at))
            .await?;
        let service = Some(found(&view, service)?);
        Ok(pb::RebalanceServiceResponse { service })
    }

    pub(super) async fn remove_service(&self, request: pb::RemoveRequest) -> Result<pb::RemoveResponse, Status> {
        let id = request_id(&request.request)?;
        let view = self.read().await?;
        if let Some(before) = removed_before(&view, id, &request.r#ref) {
            return before;
        }
        let service = find_service(&view, &request.r#ref)
            .map_err(|why| refusal::refused(&why))?
            .id;
        let at = mint::now();
        self.queue
            .change(id, move |_| Ok(Command::RemoveService { id: service, at }))
            .await?;
        Ok(pb::RemoveResponse {
            id: service.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use control::{plan_create_payload, plan_rotate_payload};
    use model::{PayloadBytes, PayloadId, PayloadSpec, Timestamp};
    use store::NewPayload;

    use super::*;

    #[test]
    fn a_name_is_what_it_means_at_each_attempt() {
        let (old, new, at) = (PayloadId::from_bits(7), PayloadId::from_bits(8), Timestamp(1));
        let created = NewPayload {
            id: old,
            at,
            kind: PayloadKind::Secret,
            spec: PayloadSpec {
                name: "db".parse().unwrap(),
                labels: std::collections::BTreeMap::new(),
                templated: false,
            },
            bytes: PayloadBytes::new(b"1"),
        };
        let mut state = View::default();
        let created = plan_create_payload(&state, created).unwrap();
        state.apply_draft(created).unwrap();
        let mut asked = pb::ServiceSpec::from(ServiceSpec::new("web".parse().unwrap(), "busybox"));
        asked.container.as_mut().unwrap().secrets = vec![pb::PayloadRef {
            name: "db".to_owned(),
            target: "db".to_owned(),
            uid: "0".to_owned(),
            gid: "0".to_owned(),
            ..pb::PayloadRef::default()
        }];
        let meant = |state: &View| resolve(state, asked.clone()).unwrap().container.secrets[0].id;
        assert_eq!(meant(&state), old);
        let rotated = plan_rotate_payload(&state, old, new, at, PayloadBytes::new(b"2")).unwrap();
        state.apply_draft(rotated).unwrap();
        assert_eq!(meant(&state), new);
    }
}
