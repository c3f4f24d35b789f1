//! Standard output and error, and what is typed. A reader that goes away (`netctl ... | head`) is no failure.

use std::{
    io::{self, IsTerminal, Read, Write},
    os::fd::AsFd,
};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

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

/// Text without what a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}

/// Columns of the terminal that standard output is; `None` if it is none, or does not say.
pub fn width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// Whether somebody watches.
pub fn is_interactive() -> bool {
    io::stdout().is_terminal()
}

/// Reads a secret: one line that is not shown where it is typed, after `prompt`, or all that a pipe has.
pub fn read_secret(prompt: &str) -> io::Result<String> {
    let (input, mut text) = (io::stdin(), String::new());
    if input.is_terminal() {
        show(prompt);
        let _unseen = Unseen::on(&input)?;
        input.read_line(&mut text)?;
    } else {
        input.lock().read_to_string(&mut text)?;
    }
    Ok(text.trim().to_owned())
}

/// A terminal that shows nothing of what is typed but the end of the line, until this is dropped. An interrupt ends
/// netctl before that; shells put a terminal right after it.
struct Unseen<T: AsFd> {
    terminal: T,
    before: Termios,
}

impl<T: AsFd> Unseen<T> {
    fn on(terminal: T) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        silent.local_flags.insert(LocalFlags::ECHONL);
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Unseen<T> {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_what_is_typed_again_after_a_secret() {
        let pair = nix::pty::openpty(None, None).unwrap();
        let shows = || tcgetattr(&pair.slave).unwrap().local_flags.contains(LocalFlags::ECHO);
        assert!(shows());
        let unseen = Unseen::on(&pair.slave).unwrap();
        assert!(!shows());
        drop(unseen);
        assert!(shows());
    }
}
