//! Refusals as gRPC statuses: a code per kind, the text as it is shown to users.

use std::{fmt::Display, net::IpAddr};

use control::TooManyAttempts;
use store::Refused;
use tonic::Status;

use crate::raft::{ProposeError, ReadError};

/// The state says no.
pub(super) fn refused(why: &Refused) -> Status {
    let text = why.to_string();
    match why {
        Refused::Outdated => Status::deadline_exceeded(text),
        Refused::TooManyTokens => Status::resource_exhausted(text),
        Refused::NotFound { .. } => Status::not_found(text),
        Refused::NameTaken { .. } | Refused::IdTaken { .. } | Refused::ClusterExists | Refused::IngressExists(_) => {
            Status::already_exists(text)
        }
        Refused::TokenUnknown
        | Refused::Invalid(_)
        | Refused::Ambiguous { .. }
        | Refused::PortReserved { .. }
        | Refused::IngressNamed(_)
        | Refused::CanaryOfJob { .. }
        | Refused::CanaryReach(_)
        | Refused::CanaryUnchanged(_)
        | Refused::ModeChanged { .. }
        | Refused::Renamed { .. } => Status::invalid_argument(text),
        Refused::NoAddress { .. } | Refused::NoPort { .. } | Refused::NoSubnet { .. } | Refused::NoVni(_) => {
            Status::resource_exhausted(text)
        }
        _ => Status::failed_precondition(text),
    }
}

/// Too many attempts to join failed.
pub(super) fn overrun(source: IpAddr, why: TooManyAttempts) -> Status {
    let seconds = why.wait.as_secs_f64().ceil();
    Status::resource_exhausted(format!(
        "too many failed attempts to join from {source}, or from everywhere together: try again in {seconds}s"
    ))
}

/// A proposal did not get through.
pub(super) fn unproposed(why: &ProposeError) -> Status {
    match why {
        ProposeError::Refused(why) => refused(why),
        ProposeError::Deadline(_) => Status::deadline_exceeded(why.to_string()),
        ProposeError::DiskFull { .. } => Status::resource_exhausted(why.to_string()),
        ProposeError::TooLarge { .. } => Status::invalid_argument(why.to_string()),
        ProposeError::Codec(_) => Status::internal(why.to_string()),
        ProposeError::NoLeader
        | ProposeError::Superseded
        | ProposeError::Unheard
        | ProposeError::Busy
        | ProposeError::Stopped => Status::unavailable(why.to_string()),
    }
}

/// A read did not get through.
pub(crate) fn unread(why: &ReadError) -> Status {
    match why {
        ReadError::DiskFull { .. } => Status::resource_exhausted(why.to_string()),
        ReadError::Deadline(_) => Status::deadline_exceeded(why.to_string()),
        ReadError::NoLeader | ReadError::Busy | ReadError::Stopped => Status::unavailable(why.to_string()),
    }
}

/// The message makes no sense.
pub(super) fn invalid(why: &impl Display) -> Status {
    Status::invalid_argument(why.to_string())
}
