//! The log on a manager's disk: rows that are sealed under a key of its own.

use std::sync::LazyLock;

use manager::raft::{read_entry_row, seal_entry_row};
use seal::Keys;

/// Where the rows lie.
pub(crate) const INDEX: u64 = 7;
/// Of which term they are.
pub(crate) const TERM: u64 = 3;

/// Bytes as they are, which nobody can have sealed, are no row. What was sealed is read or refused, whatever it is; and a
/// row is none elsewhere, none with one byte changed, none cut off: the first three bytes say where and how.
pub fn sealed(bytes: &[u8]) {
    static KEYS: LazyLock<Keys> = LazyLock::new(Keys::fresh);
    let refused = |index, row: &[u8]| read_entry_row(&KEYS, index, row).is_err();
    assert!(refused(INDEX, bytes), "without the key nobody writes a row");
    let Some(([low, high, bits], plain)) = bytes.split_first_chunk() else {
        return;
    };
    let row = seal_entry_row(&KEYS, INDEX, TERM, plain);
    let mut row = row.unwrap_or_else(|why| panic!("a row cannot be sealed: {why}"));
    if let Ok(data) = read_entry_row(&KEYS, INDEX, &row) {
        assert!(data.len() <= plain.len(), "a row holds no more than what was sealed");
    }
    assert!(refused(INDEX + 1, &row), "a row is read only where it was written");
    let at = usize::from(u16::from_le_bytes([*low, *high])) % row.len();
    assert!(refused(INDEX, &row[..at]), "a row that was cut is refused");
    row[at] ^= bits | 1;
    assert!(refused(INDEX, &row), "a row with another byte is refused");
}
