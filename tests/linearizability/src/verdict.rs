//! The verdict on a run, and its counts.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use linearizability::checker::{Violation, check};
use linearizability::history::{Event, Operation};
use linearizability::register::Register;

/// Operations shown around one that nothing explains.
const SHOWN: usize = 12;

/// Prints the counts and judges every key.
///
/// # Errors
/// A key's history is not linearizable; the message shows the operations in question.
pub fn judge(initial: &BTreeMap<u32, Register>, operations: &[(u32, Operation)]) -> Result<()> {
    print_counts(operations);
    let mut by_key: BTreeMap<u32, Vec<Operation>> = BTreeMap::new();
    for (key, operation) in operations {
        by_key.entry(*key).or_default().push(operation.clone());
    }
    let mut states = 0;
    for (key, operations) in &mut by_key {
        let register = initial.get(key).context("an operation on a key that nobody made")?;
        operations.sort_by_key(|operation| operation.call);
        states += check(*register, operations).map_err(|violation| refute(*key, *register, operations, &violation))?;
    }
    println!("keys {}", by_key.len());
    println!("states {states}");
    println!("linearizable yes");
    Ok(())
}

fn print_counts(operations: &[(u32, Operation)]) {
    let mut counts = [
        ("reads", 0),
        ("writes", 0),
        ("refused", 0),
        ("missing", 0),
        ("unknown", 0),
    ];
    for (_, operation) in operations {
        let row = match operation.event {
            Event::Read { .. } => 0,
            Event::Written { .. } => 1,
            Event::Refused { .. } => 2,
            Event::Missing { .. } => 3,
            Event::Unknown { .. } => 4,
        };
        counts[row].1 += 1;
    }
    println!("operations {}", operations.len());
    for (name, count) in counts {
        println!("{name} {count}");
    }
}

fn refute(key: u32, start: Register, operations: &[Operation], violation: &Violation) -> anyhow::Error {
    let Violation::NotLinearizable { at, explained } = *violation else {
        return anyhow::anyhow!("register {key}: too many states to look at");
    };
    let lines = operations
        .iter()
        .enumerate()
        .skip(at.saturating_sub(SHOWN))
        .take(2 * SHOWN);
    let lines: Vec<String> = lines
        .map(|(index, operation)| format!("  {}{operation:?}", if index == at { "-> " } else { "   " }))
        .collect();
    anyhow::anyhow!(
        "register {key}, which started as {start:?}, is not linearizable: {explained} of {} operations are explained, \
         the marked one is not:\n{}",
        operations.len(),
        lines.join("\n")
    )
}
