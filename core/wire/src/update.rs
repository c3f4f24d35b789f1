//! How services are updated, and how far that is.

use std::time::Duration;

use model::{Canary, PreviousSpec, Ratio, Rebalance, Timestamp, UpdatePolicy, UpdateStatus};

use crate::{
    WireError, pb,
    scalar::{choice, message, nanos},
};

impl From<UpdatePolicy> for pb::UpdatePolicy {
    fn from(policy: UpdatePolicy) -> Self {
        Self {
            parallelism: policy.parallelism,
            delay: nanos(policy.delay),
            failure_action: pb::FailureAction::from(policy.failure_action).into(),
            monitor: nanos(policy.monitor),
            max_failure_ratio: policy.max_failure_ratio.parts_per_million(),
            order: pb::UpdateOrder::from(policy.order).into(),
        }
    }
}

impl TryFrom<pb::UpdatePolicy> for UpdatePolicy {
    type Error = WireError;
    fn try_from(policy: pb::UpdatePolicy) -> Result<Self, WireError> {
        let ratio = Ratio::new(policy.max_failure_ratio);
        Ok(Self {
            parallelism: policy.parallelism,
            delay: Duration::from_nanos(policy.delay),
            failure_action: choice::<pb::FailureAction, _>("failure_action", policy.failure_action)?,
            monitor: Duration::from_nanos(policy.monitor),
            max_failure_ratio: ratio.map_err(|reason| WireError::new("max_failure_ratio", reason))?,
            order: choice::<pb::UpdateOrder, _>("order", policy.order)?,
        })
    }
}

impl From<UpdateStatus> for pb::UpdateStatus {
    fn from(status: UpdateStatus) -> Self {
        Self {
            state: pb::UpdateState::from(status.state).into(),
            started_at: status.started_at.0,
            completed_at: status.completed_at.map(|at| at.0),
            message: status.message,
        }
    }
}

impl TryFrom<pb::UpdateStatus> for UpdateStatus {
    type Error = WireError;
    fn try_from(status: pb::UpdateStatus) -> Result<Self, WireError> {
        Ok(Self {
            state: choice::<pb::UpdateState, _>("state", status.state)?,
            started_at: Timestamp(status.started_at),
            completed_at: status.completed_at.map(Timestamp),
            message: status.message,
        })
    }
}

impl From<PreviousSpec> for pb::PreviousSpec {
    fn from(previous: PreviousSpec) -> Self {
        Self {
            spec: Some(previous.spec.into()),
            spec_version: previous.spec_version,
        }
    }
}

impl TryFrom<pb::PreviousSpec> for PreviousSpec {
    type Error = WireError;
    fn try_from(previous: pb::PreviousSpec) -> Result<Self, WireError> {
        Ok(Self {
            spec: message("spec", previous.spec)?,
            spec_version: previous.spec_version,
        })
    }
}

impl From<Rebalance> for pb::Rebalance {
    fn from(Rebalance { budget, left, extra }: Rebalance) -> Self {
        Self { budget, left, extra }
    }
}

impl TryFrom<pb::Rebalance> for Rebalance {
    type Error = WireError;
    fn try_from(pb::Rebalance { budget, left, extra }: pb::Rebalance) -> Result<Self, WireError> {
        Ok(Self { budget, left, extra })
    }
}

impl From<Canary> for pb::Canary {
    fn from(Canary { share, first }: Canary) -> Self {
        let share = share.parts_per_million();
        Self { share, first }
    }
}

impl TryFrom<pb::Canary> for Canary {
    type Error = WireError;
    fn try_from(pb::Canary { share, first }: pb::Canary) -> Result<Self, WireError> {
        let canary = Ratio::new(share).and_then(|share| Self::new(share, first));
        canary.map_err(|reason| WireError::new("share", reason))
    }
}
