//! Lines of progress: drawn over on a terminal, elsewhere printed when they change.

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
        self.last = lines.to_vec();
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
