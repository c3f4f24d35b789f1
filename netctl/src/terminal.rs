//! Standard output and error. A reader that goes away (`netctl ... | head`) is no failure.

use std::io::{self, IsTerminal, Write};

/// Prints `text` and a line end to standard output.
pub fn say(text: &str) {
    show(&format!("{text}\n"));
}

/// Prints `text` as it is.
pub fn show(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints bytes as they are, to standard error if `err`. False: nobody reads them any more.
pub fn put(bytes: &[u8], err: bool) -> bool {
    let written = match err {
        true => io::stderr().lock().write_all(bytes),
        false => {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
    };
    written.is_ok()
}

/// Prints `text` and a line end to standard error.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether somebody watches.
pub fn is_interactive() -> bool {
    io::stdout().is_terminal()
}
