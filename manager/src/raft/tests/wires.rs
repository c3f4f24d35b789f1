//! Three members that run by themselves, each with a thread of its own, and the wires between them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::sleep;

use super::*;

/// Who can be reached, and whose messages are lost.
#[derive(Default)]
struct Ends {
    drivers: BTreeMap<u64, Driver>,
    mute: BTreeSet<u64>,
}

#[derive(Clone, Default)]
pub(super) struct Wires(Arc<Mutex<Ends>>);

/// The wires as one member has them.
struct End {
    from: u64,
    wires: Wires,
}

impl Transport for End {
    fn send(&mut self, to: u64, message: Vec<u8>, snapshot: bool) {
        let ends = self.wires.0.lock().unwrap();
        let other = ends.drivers.get(&to).filter(|_| !ends.mute.contains(&self.from));
        if let Some(other) = other {
            other.step(vec![Incoming::parse(&message).unwrap()]);
        }
        if let Some(own) = ends.drivers.get(&self.from).filter(|_| snapshot) {
            own.snapshot_ended(to, other.is_some());
        }
    }

    fn keep_only(&mut self, _: &control::Members) {}
}

impl Wires {
    /// Three voters over what `disk` makes of their disks.
    pub(super) fn of_three<D: Disk>(disk: impl Fn(u64, MemoryDisk) -> D) -> Self {
        let mut first = Replica::<MemoryDisk>::first_member(1).unwrap();
        first.snapshot.mut_metadata().mut_conf_state().voters = vec![1, 2, 3];
        let wires = Self::default();
        for member in 1..=3 {
            let saved = Saved {
                member,
                ..first.clone()
            };
            wires.add(member, Replica::start(disk(member, MemoryDisk::of(saved))).unwrap());
        }
        wires
    }

    /// One member more.
    pub(super) fn add<D: Disk>(&self, member: u64, replica: Replica<D>) {
        let (from, wires) = (member, self.clone());
        let driver = Driver::start(replica, End { from, wires });
        self.0.lock().unwrap().drivers.insert(member, driver);
    }

    pub(super) fn driver(&self, member: u64) -> Driver {
        self.0.lock().unwrap().drivers[&member].clone()
    }

    /// From now on nobody hears this member, or all do.
    pub(super) fn mute(&self, member: u64, mute: bool) {
        let mut ends = self.0.lock().unwrap();
        match mute {
            true => ends.mute.insert(member),
            false => ends.mute.remove(&member),
        };
    }

    /// Waits for a leader other than `old`.
    pub(super) async fn leader(&self, old: Option<u64>) -> u64 {
        loop {
            let leads = |driver: &Driver| driver.published().borrow().standing.leads;
            let found = self.0.lock().unwrap().drivers.iter().find_map(|(member, driver)| {
                let other = Some(*member) != old;
                (other && leads(driver)).then_some(*member)
            });
            if let Some(found) = found {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn stop(self) {
        let drivers = std::mem::take(&mut self.0.lock().unwrap().drivers);
        for driver in drivers.into_values() {
            driver.stop();
            driver.ended().await;
        }
    }
}
