//! The packet counters, summed over CPUs.

use abi::{DropReason, EVENT_BASE, Event, Tally, map};
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray},
};

use super::{Counts, DatapathError, maps};

/// `STATS`.
pub(super) struct Stats {
    map: PerCpuArray<MapData, Tally>,
}

impl Stats {
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, DatapathError> {
        let map = PerCpuArray::try_from(maps::take(object, map::STATS)?).map_err(|error| DatapathError::Map {
            map: map::STATS,
            reason: error.to_string(),
        })?;
        Ok(Self { map })
    }

    fn packets(&self, index: u32) -> u64 {
        let values = self.map.get(&index, 0);
        values.map_or(0, |values| values.iter().map(|tally| tally.packets).sum())
    }

    /// Packets by event and by drop reason, zeros left out.
    pub(super) fn counts(&self) -> Counts {
        let events = Event::ALL
            .iter()
            .map(|event| (format!("event {event}"), self.packets(EVENT_BASE + *event as u32)));
        let drops = DropReason::ALL
            .iter()
            .map(|reason| (format!("drop {reason}"), self.packets(*reason as u32)));
        events.chain(drops).filter(|(_, packets)| *packets > 0).collect()
    }
}
