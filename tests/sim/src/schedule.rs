//! What is done to a run from outside: wishes of the user, and faults. Drawn from the seed before the run begins, as a
//! list, so that a failing run can be tried again with less and less of it (`shrink`).

use std::{fmt, time::Duration};

use crate::{
    dice::Dice,
    net::{Way, Weather},
};

/// How long user and faults go on.
pub const CHAOS: Duration = Duration::from_secs(40);

/// One thing that is done, some time after the begin. Numbers called `pick` choose among what there is by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, from the begin of the run.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// See [`Step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The user asks for something; these dice say what.
    Wish(u64),
    /// A node becomes a manager.
    Promote { pick: u64 },
    /// A manager becomes a worker.
    Demote { pick: u64 },
    /// A new machine joins as a manager.
    JoinManager,
    /// A node leaves; a manager by force.
    Leave { pick: u64 },
    /// `node rm`, by force if the node is up.
    Remove { pick: u64 },
    /// A day passes, in which nothing changes: who is down stays so.
    Day,
    /// A container ends by itself.
    ContainerEnds { pick: u64, code: i64 },
    /// A node and everybody else.
    NodeCut { pick: u64, way: Way, span: Duration },
    /// A node and one manager.
    NodeManagerCut {
        pick: u64,
        manager: u64,
        way: Way,
        span: Duration,
    },
    /// A machine loses its power and is back after a while.
    Reboot { pick: u64, span: Duration },
    /// The agent is killed; containers go on.
    AgentKilled { pick: u64 },
    /// The process is killed and started again.
    ManagerKilled { pick: u64, span: Duration },
    /// The power of all of them goes at once.
    ManagersPowerCut { span: Duration },
    /// SIGSTOP and SIGCONT: what comes meanwhile waits.
    ManagerPaused { pick: u64, span: Duration },
    /// A manager and everybody else.
    ManagerCut { pick: u64, way: Way, span: Duration },
    /// Two managers and each other.
    ManagersCut {
        pick: u64,
        other: u64,
        way: Way,
        span: Duration,
    },
    /// The next write fails; `written`: although it is on disk afterwards, or some of it.
    DiskError { pick: u64, written: bool },
    /// Writes fail for so long.
    DiskFull { pick: u64, span: Duration },
    /// A manager's clock is off by so many milliseconds for so long.
    ManagerClock { pick: u64, ms: i64, span: Duration },
    /// A node's clock.
    NodeClock { pick: u64, ms: i64, span: Duration },
    /// Messages of everybody get lost, doubled, late.
    BadWeather { weather: Weather, span: Duration },
}

impl What {
    /// The kind, for counts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Wish(_) => "wish",
            Self::Promote { .. } => "promote",
            Self::Demote { .. } => "demote",
            Self::JoinManager => "join as manager",
            Self::Leave { .. } => "leave",
            Self::Remove { .. } => "node rm",
            Self::Day => "day",
            Self::ContainerEnds { .. } => "container ends",
            Self::NodeCut { way: Way::Both, .. } => "node cut",
            Self::NodeCut { .. } => "node cut one way",
            Self::NodeManagerCut { .. } => "node-manager cut",
            Self::Reboot { .. } => "reboot",
            Self::AgentKilled { .. } => "agent killed",
            Self::ManagerKilled { .. } => "manager killed",
            Self::ManagersPowerCut { .. } => "power cut of all managers",
            Self::ManagerPaused { .. } => "manager paused",
            Self::ManagerCut { way: Way::Both, .. } => "manager cut",
            Self::ManagerCut { .. } => "manager cut one way",
            Self::ManagersCut { .. } => "manager-manager cut",
            Self::DiskError { written: false, .. } => "EIO",
            Self::DiskError { written: true, .. } => "EIO after a write",
            Self::DiskFull { .. } => "ENOSPC",
            Self::ManagerClock { .. } => "manager clock off",
            Self::NodeClock { .. } => "node clock off",
            Self::BadWeather { .. } => "bad weather",
        }
    }

    fn membership(dice: &mut Dice) -> Self {
        let pick = dice.between(0, 9999);
        match dice.between(0, 99) {
            0..=34 => Self::Promote { pick },
            35..=64 => Self::Demote { pick },
            65..=74 => Self::JoinManager,
            75..=89 => Self::Leave { pick },
            _ => Self::Remove { pick },
        }
    }

    fn fault(dice: &mut Dice) -> Self {
        let (pick, other, way) = (dice.between(0, 9999), dice.between(0, 9999), Way::any(dice));
        let mut span = |first, last| Duration::from_millis(dice.between(first, last));
        match span(0, 99).as_millis() {
            0..=24 => Self::ContainerEnds {
                pick,
                code: (other % 2) as i64,
            },
            25..=34 => Self::NodeCut {
                pick,
                way,
                span: span(200, 9000),
            },
            35..=39 => Self::NodeManagerCut {
                pick,
                manager: other,
                way,
                span: span(200, 9000),
            },
            40..=45 => Self::Reboot {
                pick,
                span: span(500, 12_000),
            },
            46..=51 => Self::AgentKilled { pick },
            52..=58 => Self::ManagerKilled {
                pick,
                span: span(50, 6000),
            },
            59..=60 => Self::ManagersPowerCut { span: span(50, 3000) },
            61..=65 => Self::ManagerPaused {
                pick,
                span: span(100, 8000),
            },
            66..=73 => Self::ManagerCut {
                pick,
                way,
                span: span(200, 8000),
            },
            74..=79 => Self::ManagersCut {
                pick,
                other,
                way,
                span: span(200, 8000),
            },
            80..=84 => Self::DiskError {
                pick,
                written: other % 2 == 0,
            },
            85..=86 => Self::DiskFull {
                pick,
                span: span(500, 8000),
            },
            87..=89 => Self::ManagerClock {
                pick,
                ms: off(other),
                span: span(500, 9000),
            },
            90..=92 => Self::NodeClock {
                pick,
                ms: off(other),
                span: span(500, 9000),
            },
            _ => Self::BadWeather {
                weather: Weather {
                    lost: pick % 200,
                    doubled: other % 100,
                    late: other / 7 % 200,
                },
                span: span(500, 9000),
            },
        }
    }
}

/// Milliseconds that a clock is off by, half a minute at most in either direction.
fn off(draw: u64) -> i64 {
    6 * draw as i64 - 30_000
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:>6.3} s: {:?}", self.at.as_secs_f64(), self.what)
    }
}

/// A node that is down when a day passes, and back some time later.
fn lost_for_a_day(dice: &mut Dice) -> [Step; 2] {
    let (at, pick) = (Duration::from_millis(dice.between(8000, 28_000)), dice.between(0, 9999));
    let span = Duration::from_millis(dice.between(6000, 12_000));
    let way = Way::Both;
    let cut = What::NodeCut { pick, way, span };
    let day = at + Duration::from_millis(dice.between(2000, 5000));
    [
        Step { at, what: cut },
        Step {
            at: day,
            what: What::Day,
        },
    ]
}

/// The steps of a seed, in order: a wish every second or so, a fault every two, a change of the nodes every five, until
/// [`CHAOS`] is over.
pub fn of(seed: u64) -> Vec<Step> {
    let mut dice = Dice::of(seed ^ 0x5ced_0000_0000_0000);
    let mut steps = Vec::new();
    let mut at = Duration::from_millis(2500);
    while at < CHAOS {
        let what = What::Wish(dice.between(0, 999_999_999));
        steps.push(Step { at, what });
        at += Duration::from_millis(dice.between(200, 2000));
    }
    at = Duration::from_secs(5);
    while at < CHAOS {
        let what = What::fault(&mut dice);
        steps.push(Step { at, what });
        at += Duration::from_millis(dice.between(100, 3500));
    }
    at = Duration::from_secs(4);
    while at < CHAOS {
        let what = What::membership(&mut dice);
        steps.push(Step { at, what });
        at += Duration::from_millis(dice.between(500, 9000));
    }
    if dice.chance(300) {
        steps.extend(lost_for_a_day(&mut dice));
    }
    steps.sort_by_key(|step| step.at);
    steps
}
