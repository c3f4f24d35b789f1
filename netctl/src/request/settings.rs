//! The cluster's settings, as flags change them.

use std::time::Duration;

use model::ClusterSettings;

use super::duration::duration;
use crate::{args::SettingsArgs, failure::Failure};

/// `settings` with what the flags say, checked against the limits.
pub fn changed_settings(mut settings: ClusterSettings, args: &SettingsArgs) -> Result<ClusterSettings, Failure> {
    refuse_unserved(args)?;
    if let Some(text) = &args.cert_expiry {
        settings.cert_expiry = duration("--cert-expiry", text)?;
    }
    if let Some(text) = &args.dispatcher_heartbeat {
        settings.heartbeat_ms = milliseconds(duration("--dispatcher-heartbeat", text)?);
    }
    settings.heartbeat_grace = args.dispatcher_heartbeat_grace.unwrap_or(settings.heartbeat_grace);
    settings.snapshot_interval = args.snapshot_interval.unwrap_or(settings.snapshot_interval);
    settings.task_history_limit = args.task_history_limit.unwrap_or(settings.task_history_limit);
    settings.validate()?;
    Ok(settings)
}

/// What lies outside of the limits stays so.
fn milliseconds(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

fn refuse_unserved(args: &SettingsArgs) -> Result<(), Failure> {
    if args.max_snapshots.is_some_and(|kept| kept > 0) {
        return Err(Failure::Wrong(
            "--max-snapshots: a manager keeps one snapshot and replaces it as a whole; use \"netctl swarm backup\" \
             to keep more"
                .to_owned(),
        ));
    }
    if !args.external_ca.is_empty() {
        return Err(Failure::Wrong(
            "--external-ca: the managers sign certificates themselves; give them your root with \"netctl swarm ca \
             --rotate --ca-cert FILE --ca-key FILE\""
                .to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: SettingsArgs,
    }

    fn typed(flags: &str) -> Result<ClusterSettings, String> {
        let line = Line::parse_from(flags.split_whitespace());
        changed_settings(ClusterSettings::default(), &line.settings).map_err(|why| why.to_string())
    }

    #[test]
    fn flags_change_what_they_name() {
        let changed = typed("update --cert-expiry 24h --dispatcher-heartbeat 5s --task-history-limit 2").unwrap();
        let expected = ClusterSettings {
            cert_expiry: Duration::from_secs(86_400),
            heartbeat_ms: 5000,
            task_history_limit: 2,
            ..ClusterSettings::default()
        };
        assert_eq!(changed, expected);
        assert_eq!(typed("update --max-snapshots 0"), Ok(ClusterSettings::default()));
    }

    #[test]
    fn limits_and_unserved_flags_are_named() {
        for (flags, words) in [
            ("update --cert-expiry 59m", "minimum certificate expiry time is: 1h0m0s"),
            ("update --cert-expiry soon", "--cert-expiry"),
            ("update --dispatcher-heartbeat 0s", "heartbeat period"),
            ("update --snapshot-interval 0", "snapshot interval"),
            ("update --max-snapshots 3", "--max-snapshots"),
            (
                "update --external-ca protocol=cfssl,url=https://ca.example",
                "--external-ca",
            ),
        ] {
            let refused = typed(flags).unwrap_err();
            assert!(refused.contains(words), "{flags}: {refused}");
        }
    }
}
