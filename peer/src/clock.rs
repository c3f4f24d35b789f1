//! A certificate that is refused because two clocks differ, in the words of who has to set one.

use std::{error, io, iter, time::Duration};

use rustls::{AlertDescription, CertificateError, Error, pki_types::UnixTime};

const REFUSED: &str = "by the clock of the other host this node's certificate is not valid now: the clocks of the two hosts \
    differ, or the certificate has ended. Set the clocks of both hosts (NTP)";

/// What it means if a call failed because the other end took this node's certificate for one that is not valid now; `None` if
/// it failed for something else. In TLS 1.3 a caller is through with the handshake before its own certificate has been
/// judged: no handshake fails of it, but what comes after.
pub fn refused(error: &(dyn error::Error + 'static)) -> Option<&'static str> {
    // Of what TLS has said HTTP/2 keeps the text only.
    let alert = Error::AlertReceived(AlertDescription::CertificateExpired).to_string();
    let mut causes = iter::successors(Some(error), |error| error.source());
    causes
        .any(|cause| cause.to_string().contains(&alert))
        .then_some(REFUSED)
}

/// What a failed handshake means; other failures stay as they are.
pub(crate) fn in_words(error: io::Error) -> io::Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls.and_then(explained) {
        Some(words) => io::Error::new(error.kind(), words),
        None => error,
    }
}

fn explained(error: &Error) -> Option<String> {
    match error {
        Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before }) => Some(format!(
            "the clock of this host is at least {} behind the manager's: its certificate begins later. Set the clocks \
             of both hosts (NTP)",
            words(between(*time, *not_before))
        )),
        Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => Some(format!(
            "by the clock of this host the manager's certificate ended {} ago: the clock is ahead, or the manager was \
             off for too long. Set the clocks of both hosts (NTP)",
            words(between(*not_after, *time))
        )),
        _ => None,
    }
}

fn between(from: UnixTime, to: UnixTime) -> Duration {
    Duration::from_secs(to.as_secs().saturating_sub(from.as_secs()))
}

/// A span in days, hours and minutes.
pub fn words(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn clocks_are_named_and_other_failures_stay() {
        let early = CertificateError::NotValidYetContext {
            time: at(0),
            not_before: at(2 * 3600 + 300),
        };
        let late = CertificateError::ExpiredContext {
            time: at(3 * 86_400),
            not_after: at(0),
        };
        for (error, part) in [
            (Error::InvalidCertificate(early), "2 h 5 min behind"),
            (Error::InvalidCertificate(late), "ended 3 d 0 h ago"),
        ] {
            let said = in_words(io::Error::new(io::ErrorKind::InvalidData, error)).to_string();
            assert!(said.contains("clock") && said.contains(part), "{said}");
        }
        let other = in_words(io::Error::other(Error::DecryptError)).to_string();
        assert!(!other.contains("clock"), "{other}");
    }
}
