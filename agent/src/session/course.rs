//! Which manager is called next, how long is waited before, and when one that says nothing is given up. Pure.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::Manager;

/// First and longest wait before the next attempt. Short: a new leader waits one grace for its nodes, and no longer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));
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

/// The way through the managers: the leader first, as far as one is known, unless it is the one that has just failed;
/// else one after the other. A leader that does not answer may have moved: it is called in its turn only, until some
/// manager says who leads.
#[derive(Clone, Debug)]
pub struct Course {
    turn: usize,
    /// Called last, without success.
    failed: Option<String>,
    /// Took no session since somebody has said last who leads.
    doubted: BTreeSet<String>,
    backoff: Duration,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            turn: 0,
            failed: None,
            doubted: BTreeSet::new(),
            backoff: BACKOFF.0,
        }
    }
}

impl Course {
    /// The manager to call now.
    pub fn next(&mut self, managers: &[Manager]) -> Option<String> {
        let good = |manager: &Manager| self.failed.as_ref() != Some(&manager.addr);
        let believed = |manager: &Manager| !self.doubted.contains(&manager.addr);
        if let Some(leader) = managers.iter().find(|m| m.leader && good(m) && believed(m)) {
            return Some(leader.addr.clone());
        }
        let in_turn = (0..managers.len()).map(|step| (self.turn + step) % managers.len());
        let next = in_turn.into_iter().find(|at| good(&managers[*at]));
        // The only one is called again although it failed.
        let at = next.or((!managers.is_empty()).then_some(0))?;
        self.turn = at + 1;
        Some(managers[at].addr.clone())
    }

    /// The session with a manager ended, or did not begin; answers with how long to wait before the next attempt.
    pub fn ended(&mut self, addr: &str, outcome: Outcome) -> Duration {
        self.failed = Some(addr.to_owned());
        if outcome.welcomed {
            self.backoff = BACKOFF.0;
        }
        if outcome.told {
            self.doubted.clear();
        } else if !outcome.welcomed {
            self.doubted.insert(addr.to_owned());
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

    /// Who is called, if every call ends in the same way.
    fn tried(course: &mut Course, leader: Option<usize>, outcome: Outcome, calls: usize) -> Vec<String> {
        let call = |_| {
            let next = course.next(&managers(leader))?;
            course.ended(&next, outcome);
            Some(next)
        };
        (0..calls).filter_map(call).collect()
    }

    #[test]
    fn the_leader_is_called_unless_it_has_just_failed() {
        let mut course = Course::default();
        assert_eq!(course.next(&managers(Some(1))).as_deref(), Some("b"));
        course.ended("b", WELCOMED);
        assert_eq!(tried(&mut course, Some(1), TOLD, 4), ["a", "b", "c", "b"]);
        assert_eq!(
            course.next(&managers(Some(0))).as_deref(),
            Some("a"),
            "told by the last one"
        );
    }

    #[test]
    fn a_leader_that_does_not_answer_has_no_preference_until_somebody_says_who_leads() {
        let mut course = Course::default();
        let all = tried(&mut course, Some(1), Outcome::default(), 5);
        assert_eq!(all, ["b", "a", "b", "c", "a"], "each in turn, as all may have moved");
        course.ended("a", TOLD);
        assert_eq!(course.next(&managers(Some(1))).as_deref(), Some("b"));
    }

    #[test]
    fn without_a_leader_all_are_tried_in_turn_and_the_only_one_again() {
        let mut course = Course::default();
        let mut all = tried(&mut course, None, Outcome::default(), 6);
        all.sort();
        all.dedup();
        assert_eq!(all, ["a", "b", "c"]);
        let only = &managers(None)[..1];
        assert_eq!(course.next(only).as_deref(), Some("a"));
        course.ended("a", Outcome::default());
        assert_eq!(course.next(only).as_deref(), Some("a"));
        assert_eq!(course.next(&[]), None);
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
