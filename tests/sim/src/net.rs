//! The network between managers and nodes: who does not hear whom, and what the weather does to messages.
//!
//! Cuts are directed, so that one side may go on hearing the other. Messages come late and hence out of order, twice, or
//! never; the dice are the run's.

use std::time::Duration;

use model::{NodeId, Timestamp};

use crate::dice::Dice;

/// One end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A manager's process, by its place in the world.
    Manager(usize),
    /// A node's agent.
    Node(NodeId),
}

/// Ends that a cut concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    All,
    /// This one.
    One(End),
}

impl Who {
    fn has(self, end: End) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == end,
        }
    }
}

/// Which direction of a cut is dead, as seen from its first end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing passes.
    Both,
    /// It hears the others, they do not hear it.
    Out,
    /// They hear it, it does not hear them.
    In,
}

impl Way {
    /// Any of the three.
    pub fn any(dice: &mut Dice) -> Self {
        match dice.between(0, 3) {
            0 => Self::Out,
            1 => Self::In,
            _ => Self::Both,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Cut {
    from: Who,
    to: Who,
    until: Timestamp,
}

/// What happens to messages on their way; each in so many of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Never arrive.
    pub lost: u64,
    /// Arrive twice.
    pub doubled: u64,
    /// Arrive up to a second late, after younger ones.
    pub late: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Net {
    cuts: Vec<Cut>,
    weather: Option<(Weather, Timestamp)>,
}

impl Net {
    /// From now on until then, one direction or both are dead between `one` and `others`.
    pub fn cut(&mut self, one: End, others: Who, way: Way, until: Timestamp) {
        let one = Who::One(one);
        let cut = |from, to| Cut { from, to, until };
        if way != Way::In {
            self.cuts.push(cut(one, others));
        }
        if way != Way::Out {
            self.cuts.push(cut(others, one));
        }
    }

    /// From now on until then.
    pub fn set_weather(&mut self, weather: Weather, until: Timestamp) {
        self.weather = Some((weather, until));
    }

    /// Time leaps, and everything lasts as long as it would have.
    pub fn leap(&mut self, span: Duration) {
        self.cuts.iter_mut().for_each(|cut| cut.until = cut.until + span);
        self.weather.iter_mut().for_each(|(_, until)| *until = *until + span);
    }

    /// All cuts end and the weather is fine.
    pub fn heal(&mut self) {
        *self = Self::default();
    }

    /// Whether a message can get from one end to the other.
    pub fn reaches(&mut self, from: End, to: End, now: Timestamp) -> bool {
        self.cuts.retain(|cut| cut.until > now);
        !self.cuts.iter().any(|cut| cut.from.has(from) && cut.to.has(to))
    }

    /// How long a message takes, once per copy that arrives; none if it is lost.
    pub fn copies(&mut self, from: End, to: End, now: Timestamp, dice: &mut Dice) -> Vec<Duration> {
        if !self.reaches(from, to, now) {
            return Vec::new();
        }
        let ordinary = Duration::from_micros(dice.between(500, 4000));
        let weather = match self.weather {
            Some((weather, until)) if until > now => weather,
            _ => return vec![ordinary],
        };
        if dice.chance(weather.lost) {
            return Vec::new();
        }
        let late = dice.chance(weather.late);
        let first = if late {
            Duration::from_millis(dice.between(20, 1000))
        } else {
            ordinary
        };
        let second = dice.chance(weather.doubled);
        let again = second.then(|| first + Duration::from_millis(dice.between(0, 800)));
        std::iter::once(first).chain(again).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_of_one_direction_leaves_the_other() {
        let (a, b, now) = (End::Manager(0), End::Manager(1), Timestamp(0));
        let mut net = Net::default();
        net.cut(a, Who::One(b), Way::Out, Timestamp(5));
        assert!(!net.reaches(a, b, now), "a is not heard");
        assert!(net.reaches(b, a, now), "a hears");
        assert!(net.reaches(a, End::Node(NodeId::from_bits(1)), now));
        assert!(net.reaches(a, b, Timestamp(5)), "it is over");
    }
}
