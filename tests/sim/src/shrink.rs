//! From a failing schedule to a short one that still fails: Zeller's delta debugging ("Simplifying and Isolating
//! Failure-Inducing Input", 2002), complements only. Each try is a whole run.

use crate::schedule::Step;

/// Tries at most; a run takes milliseconds.
const TRIES: u32 = 600;

/// The shortest list found for which `fails` holds; nothing can be left out of it alone, unless the tries ran out.
pub fn shrink(steps: &[Step], mut fails: impl FnMut(&[Step]) -> bool) -> Vec<Step> {
    let (mut left, mut parts, mut tries) = (steps.to_vec(), 2, 0);
    while !left.is_empty() && tries < TRIES {
        let size = left.len().div_ceil(parts);
        let mut shorter = None;
        for start in (0..left.len()).step_by(size) {
            let mut rest = left.clone();
            rest.drain(start..(start + size).min(left.len()));
            tries += 1;
            if fails(&rest) {
                shorter = Some(rest);
                break;
            }
        }
        match shorter {
            Some(rest) => {
                left = rest;
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(left.len()),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule;

    #[test]
    fn what_is_not_needed_goes() {
        let all = schedule::of(1);
        let needed = [all[3].clone(), all[17].clone()];
        let found = shrink(&all, |steps| needed.iter().all(|step| steps.contains(step)));
        assert_eq!(found, needed);
    }
}
