//! Why something does not run as wished.

use control::{Finding, find_service, find_task, why_service, why_task};
use store::Refused;
use tonic::Status;
use wire::pb;

use super::{Api, refusal};
use crate::mint;

impl Api {
    pub(super) async fn why(&self, request: pb::WhyRequest) -> Result<pb::WhyResponse, Status> {
        let view = self.read().await?;
        let now = mint::now();
        let (about, findings) = match find_service(&view, &request.r#ref) {
            Ok(service) => (
                format!("service {}", service.spec.name),
                why_service(&view, service, now),
            ),
            Err(no_service @ Refused::Ambiguous { .. }) => return Err(refusal::refused(&no_service)),
            Err(no_service) => {
                let task = find_task(&view, &request.r#ref).map_err(|_| refusal::refused(&no_service))?;
                (
                    format!("task {} ({})", task.name(), task.id),
                    why_task(&view, task, now),
                )
            }
        };
        let findings = findings.into_iter().map(told).collect();
        Ok(pb::WhyResponse { about, findings })
    }
}

fn told(finding: Finding) -> pb::Finding {
    pb::Finding {
        about: finding.about,
        cause: finding.cause,
        way_out: finding.way_out,
        details: finding.details,
        ended: finding.ended.map(|task| task.to_string()).unwrap_or_default(),
    }
}
