//! Lines held back for a moment, so that those that come late find their place.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use model::Timestamp;

/// How long a line is held: longer than lines of one moment take from any node.
pub const HOLD: Duration = Duration::from_millis(200);
/// Lines held at most; more come out before their time.
const MOST: usize = 4096;

/// Where a line stands: its time, and of several at one time the first to come.
type Place = (Timestamp, u64);

/// Puts lines in order that come within [`HOLD`] of each other. A line that comes later than that is told at once.
#[derive(Debug)]
pub struct Window<T> {
    held: BTreeMap<Place, T>,
    /// What came when, the first first.
    came: VecDeque<(Timestamp, Place)>,
    count: u64,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            came: VecDeque::new(),
            count: 0,
        }
    }
}

impl<T> Window<T> {
    /// A line of the time `at` came at `now`, which only grows.
    pub fn put(&mut self, at: Timestamp, line: T, now: Timestamp) {
        let place = (at, self.count);
        self.count += 1;
        self.held.insert(place, line);
        self.came.push_back((now, place));
    }

    /// The earliest line, if it or one behind it has been held long enough.
    pub fn pop(&mut self, now: Timestamp) -> Option<T> {
        // What is told already holds nothing back.
        while self
            .came
            .front()
            .is_some_and(|(_, place)| !self.held.contains_key(place))
        {
            self.came.pop_front();
        }
        let (came, _) = self.came.front()?;
        let due = now.since(*came) >= HOLD || self.held.len() > MOST;
        due.then(|| self.held.pop_first().map(|(_, line)| line)).flatten()
    }

    /// When [`Window::pop`] has something, if no line comes before.
    pub fn due(&self) -> Option<Timestamp> {
        self.came.front().map(|(came, _)| *came + HOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn told(window: &mut Window<&'static str>, now: i64) -> Vec<&'static str> {
        std::iter::from_fn(|| window.pop(Timestamp(now))).collect()
    }

    #[test]
    fn lines_that_come_within_the_window_are_put_in_order() {
        let mut window = Window::default();
        window.put(Timestamp(30), "c", Timestamp(0));
        window.put(Timestamp(10), "a", Timestamp(50 * MS));
        window.put(Timestamp(40), "d", Timestamp(50 * MS));
        window.put(Timestamp(30), "c2", Timestamp(60 * MS));
        assert_eq!(told(&mut window, 199 * MS), Vec::<&str>::new());
        assert_eq!(window.due(), Some(Timestamp(200 * MS)));
        assert_eq!(
            told(&mut window, 200 * MS),
            ["a", "c"],
            "those up to the one that is due"
        );
        assert_eq!(told(&mut window, 260 * MS), ["c2", "d"]);
        assert_eq!(window.due(), None);
    }

    #[test]
    fn a_node_whose_clock_is_behind_holds_nobody_back() {
        let mut window = Window::default();
        window.put(Timestamp(1000), "now", Timestamp(0));
        for n in 1..5 {
            window.put(Timestamp(n), "behind", Timestamp(n * 100 * MS));
        }
        assert_eq!(told(&mut window, 200 * MS).last(), Some(&"now"));
    }

    #[test]
    fn no_more_than_a_bound_is_held() {
        let mut window = Window::default();
        for n in 0..MOST as i64 + 3 {
            window.put(Timestamp(n), "line", Timestamp(0));
        }
        assert_eq!(told(&mut window, 0).len(), 3);
    }
}
