//! Limits, reservations, resources with operators' names.

use model::{GenericResource, Limits, Reservations, Resources, Ulimit, Ulimits};

use crate::{
    WireError, pb,
    scalar::{list, to_list},
};

impl From<GenericResource> for pb::GenericResource {
    fn from(resource: GenericResource) -> Self {
        match resource {
            GenericResource::Discrete { kind, amount } => Self {
                kind,
                amount,
                value: String::new(),
            },
            GenericResource::Named { kind, value } => Self { kind, amount: 0, value },
        }
    }
}

impl TryFrom<pb::GenericResource> for GenericResource {
    type Error = WireError;
    fn try_from(resource: pb::GenericResource) -> Result<Self, WireError> {
        let pb::GenericResource { kind, amount, value } = resource;
        match (kind.is_empty(), amount, value.is_empty()) {
            (false, 0, false) => Ok(Self::Named { kind, value }),
            (false, 1.., true) => Ok(Self::Discrete { kind, amount }),
            _ => Err(WireError::new(
                "",
                "a generic resource has a kind, and an amount or a name",
            )),
        }
    }
}

impl From<Resources> for pb::Resources {
    fn from(resources: Resources) -> Self {
        let Resources {
            limits, reservations, ..
        } = resources;
        Self {
            limits: Some(pb::Limits {
                nano_cpus: limits.nano_cpus,
                memory_bytes: limits.memory_bytes,
                pids: limits.pids,
            }),
            reservations: Some(pb::Reservations {
                nano_cpus: reservations.nano_cpus,
                memory_bytes: reservations.memory_bytes,
                generic: to_list(reservations.generic),
            }),
            memory_swap: resources.memory_swap,
            memory_swappiness: resources.memory_swappiness,
        }
    }
}

impl TryFrom<pb::Resources> for Resources {
    type Error = WireError;
    fn try_from(resources: pb::Resources) -> Result<Self, WireError> {
        let limits = resources.limits.unwrap_or_default();
        let reservations = resources.reservations.unwrap_or_default();
        Ok(Self {
            limits: Limits {
                nano_cpus: limits.nano_cpus,
                memory_bytes: limits.memory_bytes,
                pids: limits.pids,
            },
            reservations: Reservations {
                nano_cpus: reservations.nano_cpus,
                memory_bytes: reservations.memory_bytes,
                generic: list("generic", reservations.generic).map_err(|error| error.within("reservations"))?,
            },
            memory_swap: resources.memory_swap,
            memory_swappiness: resources.memory_swappiness,
        })
    }
}

pub(crate) fn to_ulimits(ulimits: Ulimits) -> Vec<pb::Ulimit> {
    let entries = ulimits.into_iter();
    let one = |(name, Ulimit { soft, hard })| pb::Ulimit { name, soft, hard };
    entries.map(one).collect()
}

pub(crate) fn ulimits(ulimits: Vec<pb::Ulimit>) -> Result<Ulimits, WireError> {
    let mut known = Ulimits::new();
    for pb::Ulimit { name, soft, hard } in ulimits {
        if name.is_empty() || known.insert(name, Ulimit { soft, hard }).is_some() {
            return Err(WireError::new("ulimits", "each has a name of its own"));
        }
    }
    Ok(known)
}
