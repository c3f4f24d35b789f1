//! The order in which docker lists names: numbers in them count as numbers, so that `web9` comes before `web10`.

use std::cmp::Ordering;

/// Compares two names. Runs of digits are compared as numbers; of equal ones that with fewer zeros in front comes first.
/// Everything else is compared byte by byte.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (left, right) = (digits(a), digits(b));
        if left > 0 && right > 0 {
            let order = numbers(&a[..left], &b[..right]);
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[left..], &b[right..]);
            continue;
        }
        match (a.split_first(), b.split_first()) {
            (Some((x, rest)), Some((y, others))) if x == y => (a, b) = (rest, others),
            (x, y) => return x.map(|(x, _)| x).cmp(&y.map(|(y, _)| y)),
        }
    }
}

/// How many digits stand in front.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Of any length, so that they are not read as numbers of the machine.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let zeros = |text: &[u8]| text.iter().take_while(|byte| **byte == b'0').count();
    let (x, y) = (&a[zeros(a)..], &b[zeros(b)..]);
    let order = x.len().cmp(&y.len()).then(x.cmp(y));
    order.then(a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_that_people_expect() {
        let sorted = [
            "",
            "2",
            "02",
            "10",
            "a",
            "a-1",
            "a1",
            "a1b",
            "a1b2",
            "a1b10",
            "a2",
            "a10",
            "a10000000000000000000000",
            "b",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(natural(a, b), i.cmp(&j), "{a:?} and {b:?}");
            }
        }
    }
}
