//! Which manager is called next, how long is waited before, and when one that says nothing is given up. Pure.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::Manager;

/// First and longest wait before the next attempt. Short: a new leader waits one grace for its nodes, and no longer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));
/// Before another manager is called after one that is said to lead: as long as a connection may take, for a new leader is
/// busy with all nodes at once, and whoever hangs up on it costs it one more.
const LEADER: Duration = super::dial::CONNECT;
/// Before another one is called beside any other: many connections are answered within this, and none of a dead host's.
const OTHER: Duration = Duration::from_millis(250);
/// Heartbeat periods without an answer after which a manager is given up.
const PATIENCE: u32 = 2;

/// How a session ended, as far as it says whom to call next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The manager had taken the session.
    pub welcomed: bool,
    /// It said which managers there are.
    pub told: bool,
}

/// One call of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The manager.
    pub addr: String,
    /// How long it may take before the next one is called beside it.
    pub alone: Duration,
}

/// The way through the managers: the leader first, as far as one is known, unless it is the one that has just failed;
/// then one after the other. A leader that does not answer may have moved: it is called in its turn only, until some
/// manager says who leads.
#[derive(Clone, Debug)]
pub struct Course {
    /// Called last, without success.
    failed: Option<String>,
    /// Took no session since somebody has said last who leads.
    doubted: BTreeSet<String>,
    backoff: Duration,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            failed: None,
            doubted: BTreeSet::new(),
            backoff: BACKOFF.0,
        }
    }
}

impl Course {
    /// All managers in the order in which they are to be called now. Of those that nobody calls the leader one is as good
    /// as another: the next one does not wait for long.
    pub fn round(&self, managers: &[Manager]) -> Vec<Call> {
        let failed = |manager: &Manager| self.failed.as_ref() == Some(&manager.addr);
        let believed = |m: &&Manager| m.leader && !failed(m) && !self.doubted.contains(&m.addr);
        let leader = managers.iter().find(believed);
        let turn = managers.iter().position(failed).map_or(0, |at| at + 1);
        let in_turn = managers.iter().cycle().skip(turn).take(managers.len());
        let rest = in_turn.filter(|manager| leader.is_none_or(|leader| leader.addr != manager.addr));
        let call = |alone| {
            move |manager: &Manager| Call {
                addr: manager.addr.clone(),
                alone,
            }
        };
        leader
            .map(call(LEADER))
            .into_iter()
            .chain(rest.map(call(OTHER)))
            .collect()
    }

    /// A manager took no connection.
    pub fn doubt(&mut self, addr: &str) {
        self.doubted.insert(addr.to_owned());
    }

    /// The session with a manager ended, or did not begin; answers with how long to wait before the next round.
    pub fn ended(&mut self, addr: &str, outcome: Outcome) -> Duration {
        self.failed = Some(addr.to_owned());
        if outcome.welcomed {
            self.backoff = BACKOFF.0;
        }
        if outcome.told {
            self.doubted.clear();
        } else if !outcome.welcomed {
            self.doubt(addr);
        }
        let wait = self.backoff;
        self.backoff = (wait * 2).min(BACKOFF.1);
        wait
    }
}

/// Whether the manager at the other end lives: it answers heartbeats.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    /// The first heartbeat since anything was heard.
    unanswered: Option<Instant>,
    /// It has answered a heartbeat once; those of earlier versions never do.
    answers: bool,
}

impl Pulse {
    /// A heartbeat was sent.
    pub fn beat(&mut self, now: Instant) {
        self.unanswered.get_or_insert(now);
    }

    /// Something was heard; `answer`: to a heartbeat.
    pub fn heard(&mut self, answer: bool) {
        self.unanswered = None;
        self.answers |= answer;
    }

    /// When the manager is given up, if nothing is heard.
    pub fn deadline(&self, period: Duration) -> Option<Instant> {
        self.unanswered
            .filter(|_| self.answers)
            .map(|at| at + period * PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managers(leader: Option<usize>) -> Vec<Manager> {
        let names = ["a", "b", "c"].into_iter().enumerate();
        let manager = |(n, name): (usize, &str)| {
            let mut manager = Manager::at(name.to_owned());
            manager.leader = leader == Some(n);
            manager
        };
        names.map(manager).collect()
    }

    const WELCOMED: Outcome = Outcome {
        welcomed: true,
        told: true,
    };
    const TOLD: Outcome = Outcome {
        welcomed: false,
        told: true,
    };

    fn round(course: &Course, leader: Option<usize>) -> Vec<String> {
        let calls = course.round(&managers(leader)).into_iter();
        calls.map(|call| call.addr).collect()
    }

    #[test]
    fn the_leader_is_called_first_unless_it_has_just_failed() {
        let mut course = Course::default();
        assert_eq!(round(&course, Some(1)), ["b", "a", "c"]);
        assert_eq!(course.round(&managers(Some(1)))[0].alone, LEADER);
        course.ended("b", WELCOMED);
        assert_eq!(round(&course, Some(1)), ["c", "a", "b"], "what is known may be stale");
        course.ended("c", TOLD);
        assert_eq!(round(&course, Some(1)), ["b", "a", "c"], "told by the last one");
        assert_eq!(round(&course, Some(0)), ["a", "b", "c"]);
    }

    #[test]
    fn a_leader_that_does_not_answer_has_no_preference_until_somebody_says_who_leads() {
        let mut course = Course::default();
        course.doubt("b");
        assert_eq!(round(&course, Some(1)), ["a", "b", "c"], "all may have moved");
        course.ended("a", Outcome::default());
        assert_eq!(round(&course, Some(1)), ["b", "c", "a"]);
        course.ended("c", TOLD);
        assert_eq!(round(&course, Some(1))[0], "b");
    }

    #[test]
    fn without_a_leader_all_are_called_in_turn_and_the_only_one_again() {
        let mut course = Course::default();
        assert_eq!(round(&course, None), ["a", "b", "c"]);
        course.ended("b", Outcome::default());
        assert_eq!(round(&course, None), ["c", "a", "b"]);
        assert!(course.round(&managers(None)).iter().all(|call| call.alone == OTHER));
        let only = &managers(None)[..1];
        course.ended("a", Outcome::default());
        assert_eq!(course.round(only)[0].addr, "a");
        assert_eq!(course.round(&[]), []);
    }

    #[test]
    fn waits_grow_until_a_session_was_good() {
        let mut course = Course::default();
        let waits: Vec<u128> = (0..6)
            .map(|_| course.ended("a", Outcome::default()).as_millis())
            .collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 800]);
        assert_eq!(course.ended("a", WELCOMED).as_millis(), 50);
    }

    #[test]
    fn a_manager_is_given_up_two_periods_after_a_heartbeat_that_nothing_follows() {
        let (start, period) = (Instant::now(), Duration::from_millis(800));
        let mut pulse = Pulse::default();
        pulse.beat(start);
        assert_eq!(pulse.deadline(period), None, "it may be one that does not answer");
        pulse.heard(true);
        assert_eq!(pulse.deadline(period), None);
        pulse.beat(start + period);
        pulse.beat(start + period * 2);
        assert_eq!(pulse.deadline(period), Some(start + period * 3));
        pulse.heard(false);
        assert_eq!(pulse.deadline(period), None);
    }
}
