//! Lines from what the engine sends: the time, a blank, the text; a part of a long line has no line end.

use model::Timestamp;

use super::LogStream;

/// Longest line, bytes; what is longer comes as several.
const LONGEST: usize = 256 << 10;

/// Puts parts of lines together, of both streams apart.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    out: Option<(Timestamp, Vec<u8>)>,
    err: Option<(Timestamp, Vec<u8>)>,
}

impl Joiner {
    /// Takes what the engine sent; gives the line that it completes. What begins with no time goes on with the line
    /// before, or is of no known time.
    pub(super) fn take(&mut self, stream: LogStream, message: &[u8]) -> Option<(Timestamp, Vec<u8>)> {
        let begun = match stream {
            LogStream::Out => &mut self.out,
            LogStream::Err => &mut self.err,
        };
        let (at, text) = split(message).unwrap_or((Timestamp::default(), message));
        let (text, complete) = match text.strip_suffix(b"\n") {
            // A terminal ends its lines with both.
            Some(text) => (text.strip_suffix(b"\r").unwrap_or(text), true),
            None => (text, false),
        };
        let (_, line) = begun.get_or_insert((at, Vec::new()));
        line.extend_from_slice(text);
        let ends = complete || line.len() >= LONGEST;
        if ends { begun.take() } else { None }
    }
    /// Lines that were begun and not ended when the log was.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = (LogStream, Timestamp, Vec<u8>)> + use<> {
        let out = self.out.take().map(|(at, text)| (LogStream::Out, at, text));
        let err = self.err.take().map(|(at, text)| (LogStream::Err, at, text));
        out.into_iter().chain(err)
    }
}

fn split(message: &[u8]) -> Option<(Timestamp, &[u8])> {
    let blank = message.iter().position(|byte| *byte == b' ')?;
    let (time, rest) = message.split_at(blank);
    let at = std::str::from_utf8(time).ok()?.parse().ok()?;
    Some((at, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2024-02-29T12:34:56.000000007Z";
    const AT: Timestamp = Timestamp(1_709_210_096_000_000_007);

    fn sent(text: &str) -> Vec<u8> {
        format!("{TIME} {text}").into_bytes()
    }

    #[test]
    fn the_engines_time_is_taken_from_each_line() {
        let mut joiner = Joiner::default();
        let mut taken = |text: &str| joiner.take(LogStream::Out, &sent(text));
        assert_eq!(taken("hello world\n"), Some((AT, b"hello world".to_vec())));
        assert_eq!(taken("\n"), Some((AT, Vec::new())));
        assert_eq!(taken("from a terminal\r\n"), Some((AT, b"from a terminal".to_vec())));
        let strange = joiner.take(LogStream::Out, b"no time\n");
        assert_eq!(strange, Some((Timestamp(0), b"no time".to_vec())));
    }

    #[test]
    fn parts_of_a_long_line_are_one_line_also_between_lines_of_the_other_stream() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.take(LogStream::Out, &sent("one ")), None);
        assert!(joiner.take(LogStream::Err, &sent("other\n")).is_some());
        assert_eq!(joiner.take(LogStream::Out, &sent("line")), None);
        assert_eq!(
            joiner.take(LogStream::Out, &sent("\n")),
            Some((AT, b"one line".to_vec()))
        );
        assert_eq!(joiner.take(LogStream::Err, &sent("unended")), None);
        let rest: Vec<_> = joiner.rest().collect();
        assert_eq!(rest, [(LogStream::Err, AT, b"unended".to_vec())]);
    }

    #[test]
    fn no_line_is_longer_than_the_bound() {
        let mut joiner = Joiner::default();
        let part = "x".repeat(16 << 10);
        let lines = (0..40).filter_map(|_| joiner.take(LogStream::Out, &sent(&part)));
        let lengths: Vec<usize> = lines.map(|(_, text)| text.len()).collect();
        assert_eq!(lengths, [LONGEST, LONGEST]);
    }
}
