//! Lines of progress: drawn over on a terminal, elsewhere printed when they change.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::terminal;

/// Where the lines go.
pub struct Screen {
    quiet: bool,
    redraw: bool,
    last: Vec<String>,
}

impl Screen {
    /// Shows nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            redraw: terminal::is_interactive(),
            last: Vec::new(),
        }
    }

    /// Whether lines are drawn over.
    pub fn redraws(&self) -> bool {
        self.redraw
    }

    /// Shows the lines in place of those before.
    pub fn draw(&mut self, lines: &[String]) {
        if self.quiet {
            return;
        }
        let width = self.redraw.then(terminal::width).flatten();
        let lines: Vec<String> = lines.iter().map(|line| fitted(line, width)).collect();
        let mut text = String::new();
        if self.redraw && !self.last.is_empty() {
            // Cursor up to the first line, then each line erased before it is written.
            text.push_str(&format!("\x1b[{}A", self.last.len()));
        }
        for (i, line) in lines.iter().enumerate() {
            match self.redraw {
                true => text.push_str(&format!("\x1b[2K{line}\n")),
                false if self.is_news(i, line) => text.push_str(&format!("{line}\n")),
                false => {}
            }
        }
        if self.redraw {
            text.push_str("\x1b[J");
        }
        terminal::show(&text);
        self.last = lines;
    }

    /// Without a terminal, the countdown is told once.
    fn is_news(&self, i: usize, line: &str) -> bool {
        let countdown = |line: &str| line.starts_with("verify: Waiting");
        match self.last.get(i) {
            Some(before) => before != line && !(countdown(before) && countdown(line)),
            None => true,
        }
    }
}

/// A line that is one on the terminal too, or the next ones would be drawn over others: not wider than it, and without
/// what it would obey.
fn fitted(line: &str, width: Option<u16>) -> String {
    let line = terminal::plain(&line.replace(['\t', '\n'], " "));
    let Some(width) = width.map(usize::from).filter(|width| line.width() > *width) else {
        return line;
    };
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let left = room.checked_sub(c.width().unwrap_or(0));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let mut cut: String = line.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_wide_as_its_terminal_at_most() {
        assert_eq!(fitted("1/3: running", Some(12)), "1/3: running");
        assert_eq!(fitted("1/3: preparing", Some(12)), "1/3: prepar…");
        assert_eq!(fitted("1/3: preparing", None), "1/3: preparing");
        assert_eq!(fitted("漢字漢字", Some(8)), "漢字漢字");
        assert_eq!(fitted("漢字漢字", Some(6)), "漢字…");
        assert_eq!(fitted("ab", Some(1)), "…");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_a_line_has() {
        assert_eq!(fitted("1/1: \x1b[2Jno\nsuch\timage\r", None), "1/1: [2Jno such image");
    }
}
