//! The search: is there an order of the operations, each at a moment between
//! its call and its answer, in which a register gives all these answers?
//!
//! Wing and Gong's search (Testing and Verifying Concurrent Objects, 1993) with
//! Lowe's memory of what was tried (Testing for Linearizability, 2017). Keys are
//! judged one by one: linearizability is local (Herlihy and Wing, 1990).

mod line;

use std::collections::HashSet;

use crate::history::Operation;
use crate::register::Register;
use line::{Entry, Line};

/// States looked at before a history is given up as too hard; a real one needs some ten per operation.
const MAX_STATES: usize = 20_000_000;

/// Why a history is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// No order explains the answers.
    NotLinearizable {
        /// Index of the operation whose answer ends the longest explanation.
        at: usize,
        /// Number of operations in that explanation.
        explained: usize,
    },
    /// More states than this search looks at.
    TooHard,
}

/// Judges the history of one key that started as `initial`; returns the number of states looked at.
///
/// # Errors
/// The history is not linearizable.
pub fn check(initial: Register, operations: &[Operation]) -> Result<usize, Violation> {
    Search::new(initial, operations).run()
}

struct Search<'a> {
    operations: &'a [Operation],
    line: Line,
    register: Register,
    /// Which operations took effect so far, one bit each.
    done: Vec<u64>,
    /// Answered operations that did not take effect yet.
    missing: usize,
    /// The calls that took effect, in that order, with the register before each.
    path: Vec<(usize, Register)>,
    tried: HashSet<(Vec<u64>, Register)>,
    longest: Violation,
}

impl<'a> Search<'a> {
    fn new(initial: Register, operations: &'a [Operation]) -> Self {
        Self {
            operations,
            line: Line::new(operations),
            register: initial,
            done: vec![0; operations.len().div_ceil(64)],
            missing: operations.iter().filter(|one| one.back().is_some()).count(),
            path: Vec::new(),
            tried: HashSet::new(),
            longest: Violation::NotLinearizable { at: 0, explained: 0 },
        }
    }

    fn run(mut self) -> Result<usize, Violation> {
        let mut cursor = self.line.first();
        while self.missing > 0 {
            if self.tried.len() > MAX_STATES {
                return Err(Violation::TooHard);
            }
            cursor = match self.line.entry(cursor) {
                Some(Entry::Call(operation)) if self.take(cursor, operation) => self.line.first(),
                Some(Entry::Call(_)) => self.line.after(cursor),
                // An answer came before its operation took effect: something taken earlier was wrong.
                Some(Entry::Answer(operation)) => self.back(Some(operation))?,
                None => self.back(None)?,
            };
        }
        Ok(self.tried.len())
    }

    /// Lets an operation take effect now, unless the register would not answer so or this was tried already.
    fn take(&mut self, cursor: usize, operation: usize) -> bool {
        let Some(next) = self.register.step(&self.operations[operation].event) else {
            return false;
        };
        self.flip(operation);
        if !self.tried.insert((self.done.clone(), next)) {
            self.flip(operation);
            return false;
        }
        self.path.push((cursor, self.register));
        self.register = next;
        self.line.lift(cursor);
        self.missing -= usize::from(self.operations[operation].back().is_some());
        true
    }

    /// Takes the last effect back; returns where to go on.
    fn back(&mut self, blocked: Option<usize>) -> Result<usize, Violation> {
        if let (Some(at), Violation::NotLinearizable { explained, .. }) = (blocked, &self.longest)
            && self.path.len() >= *explained
        {
            let explained = self.path.len();
            self.longest = Violation::NotLinearizable { at, explained };
        }
        let (cursor, register) = self.path.pop().ok_or_else(|| self.longest.clone())?;
        self.register = register;
        self.line.put_back(cursor);
        if let Some(Entry::Call(operation)) = self.line.entry(cursor) {
            self.flip(operation);
            self.missing += usize::from(self.operations[operation].back().is_some());
        }
        Ok(self.line.after(cursor))
    }

    fn flip(&mut self, operation: usize) {
        self.done[operation / 64] ^= 1 << (operation % 64);
    }
}

#[cfg(test)]
mod tests;
