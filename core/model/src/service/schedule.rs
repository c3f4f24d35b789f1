//! Jobs that run again and again, at times written as in crontab(5).

use std::str::FromStr;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{Invalid, Timestamp};

/// What becomes of a run whose time comes while the one before it is still at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It begins when the one before it has ended; of several such the last one.
    Queue,
    /// It begins, and the one before it is stopped.
    Replace,
}

impl FromStr for Overlap {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "skip" => Ok(Self::Skip),
            "queue" => Ok(Self::Queue),
            "replace" => Ok(Self::Replace),
            _ => Err(Invalid::Word {
                what: "overlap policy",
                text: text.to_owned(),
                way: "use skip, queue or replace",
            }),
        }
    }
}

/// When a job runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Minute, hour, day of the month, month, day of the week, as in crontab(5); or `@daily` and the like.
    pub cron: String,
    /// Time zone that they are meant in, by its name in the IANA database.
    pub zone: String,
    /// What if a run takes longer than the time to the next one.
    pub overlap: Overlap,
}

impl Schedule {
    /// Times in UTC, runs that would overlap left out.
    pub fn of(cron: &str) -> Self {
        Self {
            cron: cron.to_owned(),
            zone: "UTC".to_owned(),
            overlap: Overlap::default(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        self.parsed()?;
        // A date that does not exist, as February 30.
        match self.next_after(Timestamp(0)) {
            Some(_) => Ok(()),
            None => Err(self.invalid("there is no such time")),
        }
    }

    /// The first time after `at`; `None` if there is none.
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let (cron, zone) = self.parsed().ok()?;
        let at = jiff::Timestamp::from_nanosecond(at.0.into()).ok()?.to_zoned(zone);
        let next = cron.find_next_occurrence(&at, false).ok()?.timestamp();
        i64::try_from(next.as_nanosecond()).ok().map(Timestamp)
    }

    fn parsed(&self) -> Result<(Cron, TimeZone), Invalid> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(&self.cron).map_err(|why| self.invalid(&why.to_string()))?;
        let zone = TimeZone::get(&self.zone).map_err(|_| Invalid::Word {
            what: "time zone",
            text: self.zone.clone(),
            way: "use a name of the IANA database, as UTC or Europe/Berlin",
        })?;
        Ok((cron, zone))
    }

    fn invalid(&self, why: &str) -> Invalid {
        Invalid::Schedule {
            text: self.cron.clone(),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-03-30T12:00:00Z, a day before summer time begins in Europe.
    const NOON: Timestamp = Timestamp(1_711_800_000_000_000_000);

    fn next(cron: &str, zone: &str) -> String {
        let schedule = Schedule {
            zone: zone.to_owned(),
            ..Schedule::of(cron)
        };
        schedule.validate().unwrap();
        schedule.next_after(NOON).unwrap().to_string()[..16].to_owned()
    }

    #[test]
    fn times_are_those_of_the_zone() {
        assert_eq!(next("0 3 * * *", "UTC"), "2024-03-31T03:00");
        assert_eq!(next("0 3 * * *", "Europe/Berlin"), "2024-03-31T01:00");
        assert_eq!(next("0 4 * * 1", "Europe/Berlin"), "2024-04-01T02:00");
        assert_eq!(next("*/15 * * * *", "Asia/Kolkata"), "2024-03-30T12:15");
        assert_eq!(next("@daily", "UTC"), "2024-03-31T00:00");
    }

    #[test]
    fn a_time_is_not_its_own_next_one() {
        let schedule = Schedule::of("0 12 * * *");
        let next = schedule.next_after(NOON).unwrap();
        assert_eq!(next.since(NOON).as_secs(), 24 * 3600);
    }

    #[test]
    fn what_never_comes_is_refused() {
        for bad in ["", "0 3 * *", "61 * * * *", "0 0 30 2 *", "* * * * * *", "tomorrow"] {
            assert!(
                matches!(Schedule::of(bad).validate(), Err(Invalid::Schedule { .. })),
                "{bad}"
            );
        }
        let mars = Schedule {
            zone: "Mars/Base".to_owned(),
            ..Schedule::of("@daily")
        };
        assert!(matches!(mars.validate(), Err(Invalid::Word { what: "time zone", .. })));
    }
}
