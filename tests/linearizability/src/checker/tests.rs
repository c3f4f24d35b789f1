//! Histories by hand, against a search without any cleverness, and of a server with planted bugs.

mod server;

use proptest::prelude::*;

use super::*;
use crate::history::Event;
use server::{BUGS, history};

const START: Register = Register {
    value: 0,
    version: crate::register::Version::Is(1),
};

fn read(call: u64, back: u64, version: u64, value: u64) -> Operation {
    let event = Event::Read { version, value, back };
    Operation { client: 0, call, event }
}

fn write(call: u64, back: u64, expected: u64, value: u64) -> Operation {
    let event = Event::Written {
        expected,
        value,
        version: Some(expected + 1),
        back,
    };
    Operation { client: 1, call, event }
}

fn unknown(call: u64, expected: u64, value: u64) -> Operation {
    let event = Event::Unknown { expected, value };
    Operation { client: 2, call, event }
}

fn refused(call: u64, back: u64, expected: u64) -> Operation {
    let event = Event::Refused { expected, back };
    Operation { client: 3, call, event }
}

fn missing(call: u64, back: u64) -> Operation {
    let event = Event::Missing { back };
    Operation { client: 4, call, event }
}

fn accepted(operations: &[Operation]) -> bool {
    check(START, operations).is_ok()
}

#[test]
fn nothing_is_linearizable() {
    assert!(accepted(&[]));
}

#[test]
fn while_a_write_is_under_way_both_values_may_be_read() {
    let under_way = write(10, 40, 1, 7);
    assert!(accepted(&[under_way.clone(), read(20, 30, 1, 0)]));
    assert!(accepted(&[under_way.clone(), read(20, 30, 2, 7)]));
    assert!(accepted(&[under_way.clone(), read(20, 25, 1, 0), read(26, 30, 2, 7)]));
    assert!(!accepted(&[under_way, read(20, 25, 2, 7), read(26, 30, 1, 0)]));
}

#[test]
fn after_a_write_was_acknowledged_the_old_value_is_not_read() {
    assert!(!accepted(&[write(10, 20, 1, 7), read(21, 30, 1, 0)]));
}

#[test]
fn an_acknowledged_write_is_not_lost() {
    let lost = [write(10, 20, 1, 7), write(30, 40, 1, 8)];
    assert!(!accepted(&lost));
}

#[test]
fn two_writes_on_one_version_do_not_both_succeed() {
    assert!(!accepted(&[write(10, 40, 1, 7), write(15, 45, 1, 8)]));
    assert!(accepted(&[write(10, 40, 1, 7), refused(15, 45, 1)]));
}

#[test]
fn a_refusal_without_a_cause_is_found() {
    assert!(!accepted(&[refused(10, 20, 1), write(30, 40, 1, 7)]));
}

#[test]
fn a_register_that_is_said_to_be_missing_is_named() {
    let operations = [write(10, 20, 1, 7), missing(30, 40), read(50, 60, 2, 7)];
    let named = Violation::NotLinearizable { at: 1, explained: 1 };
    assert_eq!(check(START, &operations), Err(named));
}

#[test]
fn a_write_without_an_answer_may_take_effect_late_or_never() {
    let lost = unknown(10, 1, 7);
    assert!(accepted(&[lost.clone(), read(100, 110, 1, 0)]));
    assert!(accepted(&[lost.clone(), read(100, 110, 1, 0), read(120, 130, 2, 7)]));
    assert!(!accepted(&[lost.clone(), read(100, 110, 2, 7), read(120, 130, 1, 0)]));
    assert!(accepted(&[lost.clone(), write(20, 30, 1, 8), read(100, 110, 2, 8)]));
    // It expected version 1, which is long gone.
    assert!(!accepted(&[lost, write(20, 30, 1, 8), read(100, 110, 3, 7)]));
}

#[test]
fn a_value_is_not_read_before_it_is_written() {
    assert!(!accepted(&[read(10, 20, 2, 7), write(30, 40, 1, 7)]));
}

#[test]
fn the_answer_that_nothing_explains_is_named() {
    let operations = [write(10, 20, 1, 7), read(30, 40, 2, 7), read(50, 60, 1, 0)];
    let Err(violation) = check(START, &operations) else {
        panic!("accepted");
    };
    assert_eq!(violation, Violation::NotLinearizable { at: 2, explained: 2 });
}

#[test]
fn a_server_without_bugs_is_accepted() {
    for seed in 1..=100 {
        let operations = history(seed, 300, None);
        assert!(accepted(&operations), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_caught() {
    for bug in BUGS {
        for seed in 1..=20 {
            let operations = history(seed, 300, Some(bug));
            assert!(!accepted(&operations), "{bug:?} with seed {seed} was accepted");
        }
    }
}

/// Tries every order.
fn possible(register: Register, left: &[Operation]) -> bool {
    let first_answer = left.iter().filter_map(Operation::back).min();
    let Some(first_answer) = first_answer else { return true };
    (0..left.len())
        .filter(|next| left[*next].call <= first_answer)
        .any(|next| {
            let mut rest = left.to_vec();
            let taken = rest.remove(next);
            register
                .step(&taken.event)
                .is_some_and(|register| possible(register, &rest))
        })
}

fn operation() -> impl Strategy<Value = Operation> {
    let times = (0_u64..20, 0_u64..10);
    (times, 0_u8..9, 1_u64..4, 0_u64..3).prop_map(|((call, length), kind, version, value)| match kind {
        0 | 1 => read(call, call + length, version, value),
        2 | 3 => write(call, call + length, version, value),
        4 | 5 => refused(call, call + length, version),
        6 => missing(call, call + length),
        _ => unknown(call, version, value),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn the_search_says_what_trying_every_order_says(operations in prop::collection::vec(operation(), 0..6)) {
        prop_assert_eq!(accepted(&operations), possible(START, &operations));
    }
}
