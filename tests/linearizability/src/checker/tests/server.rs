//! A server in one thread with four clients, and what can be wrong with it.

use super::{Event, Operation};

/// What the server does wrong, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    StaleRead,
    InventedValue,
    LostWrite,
    IgnoredVersion,
    AppliedThoughRefused,
    AppliedTwice,
    LateWriteIgnoresVersion,
    RolledBack,
    Missing,
}

pub(super) const BUGS: [Bug; 9] = [
    Bug::StaleRead,
    Bug::InventedValue,
    Bug::LostWrite,
    Bug::IgnoredVersion,
    Bug::AppliedThoughRefused,
    Bug::AppliedTwice,
    Bug::LateWriteIgnoresVersion,
    Bug::RolledBack,
    Bug::Missing,
];

const CLIENTS: usize = 4;

#[derive(Clone, Copy)]
enum Call {
    Read,
    Write { expected: u64, value: u64 },
}

#[derive(Clone, Default)]
enum Client {
    #[default]
    Idle,
    Called {
        at: u64,
        call: Call,
    },
    Decided {
        at: u64,
        event: Event,
    },
}

struct Server {
    dice: u64,
    bug: Option<Bug>,
    clock: u64,
    /// Version and value after each write; the last is now.
    states: Vec<(u64, u64)>,
    late: Vec<(u64, u64)>,
    clients: Vec<Client>,
    /// What each client saw last.
    seen: Vec<u64>,
    seen_history: Vec<Operation>,
}

/// A history of `count` operations.
pub(super) fn history(seed: u64, count: usize, bug: Option<Bug>) -> Vec<Operation> {
    let mut server = Server {
        dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        bug,
        clock: 0,
        states: vec![(1, 0)],
        late: Vec::new(),
        clients: vec![Client::Idle; CLIENTS],
        seen: vec![1; CLIENTS],
        seen_history: Vec::new(),
    };
    while server.seen_history.len() < count {
        server.step();
    }
    server.hang_up();
    server.seen_history
}

impl Server {
    /// Xorshift (Marsaglia, 2003).
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }

    fn now(&self) -> (u64, u64) {
        self.states[self.states.len() - 1]
    }

    /// True in one of five cases, if that is the bug.
    fn fails_as(&mut self, bug: Bug) -> bool {
        self.bug == Some(bug) && self.roll(5) == 0
    }

    fn write(&mut self, value: u64) -> u64 {
        let version = self.now().0 + 1;
        self.states.push((version, value));
        version
    }

    fn step(&mut self) {
        self.clock += 1;
        if self.roll(8) == 0 && !self.late.is_empty() {
            self.late_write();
        }
        if self.roll(20) == 0 && self.states.len() > 3 && self.bug == Some(Bug::RolledBack) {
            self.states.truncate(self.states.len() - 2);
        }
        let client = self.roll(CLIENTS as u64) as usize;
        self.clients[client] = match std::mem::take(&mut self.clients[client]) {
            Client::Idle => self.call(client),
            Client::Called { at, call } => self.decide(client, at, call),
            Client::Decided { at, event } => self.answer(client, at, event),
        };
    }

    fn call(&mut self, client: usize) -> Client {
        let at = self.clock;
        let call = match self.roll(2) {
            0 => Call::Read,
            _ => Call::Write {
                expected: self.seen[client],
                value: at,
            },
        };
        Client::Called { at, call }
    }

    fn decide(&mut self, client: usize, at: u64, call: Call) -> Client {
        match call {
            Call::Write { expected, value } if self.roll(10) == 0 => {
                self.late.push((expected, value));
                self.record(client, at, Event::Unknown { expected, value });
                Client::Idle
            }
            Call::Write { expected, value } => {
                let event = self.decide_write(expected, value);
                Client::Decided { at, event }
            }
            Call::Read => {
                let event = self.decide_read();
                Client::Decided { at, event }
            }
        }
    }

    fn decide_read(&mut self) -> Event {
        if self.fails_as(Bug::Missing) {
            return Event::Missing { back: 0 };
        }
        let (version, mut value) = match self.fails_as(Bug::StaleRead) {
            true => self.states[self.states.len().saturating_sub(4)],
            false => self.now(),
        };
        if self.fails_as(Bug::InventedValue) {
            value = u64::MAX;
        }
        Event::Read {
            version,
            value,
            back: 0,
        }
    }

    fn decide_write(&mut self, expected: u64, value: u64) -> Event {
        let fits = expected == self.now().0;
        if fits && self.fails_as(Bug::AppliedThoughRefused) {
            self.write(value);
            return Event::Refused { expected, back: 0 };
        }
        if !fits && !self.fails_as(Bug::IgnoredVersion) {
            return Event::Refused { expected, back: 0 };
        }
        let version = match self.fails_as(Bug::LostWrite) {
            true => expected + 1,
            false => self.write(value),
        };
        if self.fails_as(Bug::AppliedTwice) {
            self.write(value);
        }
        Event::Written {
            expected,
            value,
            version: Some(version),
            back: 0,
        }
    }

    fn late_write(&mut self) {
        let (expected, value) = self.late.remove(0);
        if expected == self.now().0 || self.bug == Some(Bug::LateWriteIgnoresVersion) {
            self.write(value);
        }
    }

    fn answer(&mut self, client: usize, at: u64, mut event: Event) -> Client {
        let now = self.clock;
        match &mut event {
            Event::Read { back, version, .. } => {
                *back = now;
                self.seen[client] = *version;
            }
            Event::Written { back, version, .. } => {
                *back = now;
                self.seen[client] = version.unwrap_or(0);
            }
            Event::Refused { back, .. } | Event::Missing { back } => *back = now,
            Event::Unknown { .. } => {}
        }
        self.record(client, at, event);
        Client::Idle
    }

    /// Nobody waits for the calls that are under way.
    fn hang_up(&mut self) {
        for (client, state) in std::mem::take(&mut self.clients).into_iter().enumerate() {
            let write = match state {
                Client::Called {
                    at,
                    call: Call::Write { expected, value },
                } => Some((at, expected, value)),
                Client::Decided {
                    at,
                    event: Event::Written { expected, value, .. },
                } => Some((at, expected, value)),
                _ => None,
            };
            if let Some((at, expected, value)) = write {
                self.record(client, at, Event::Unknown { expected, value });
            }
        }
    }

    fn record(&mut self, client: usize, call: u64, event: Event) {
        self.seen_history.push(Operation {
            client: client as u32,
            call,
            event,
        });
    }
}
