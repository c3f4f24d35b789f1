//! What containers print, as an engine gives it back.

use model::Timestamp;

/// Where a line was printed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output, or the container's terminal.
    Out,
    /// Standard error.
    Err,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When the engine wrote it down.
    pub at: Timestamp,
    /// Where to.
    pub stream: LogStream,
    /// Without its line end.
    pub text: Vec<u8>,
    /// What the log driver is set up to add, `key=value,...`, if that was asked for.
    pub details: String,
}

/// What is wanted of a container's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// Not only what is there, also what comes.
    pub follow: bool,
    /// With [`LogLine::details`].
    pub details: bool,
    /// Only lines later than that.
    pub after: Timestamp,
    /// Only so many from the end of what is there.
    pub tail: Option<u64>,
}
