//! `*time.Location`.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

#[derive(Clone, Debug)]
pub(crate) struct Zone(Arc<Rules>);

#[derive(Debug)]
enum Rules {
    Utc,
    Fixed { name: String, offset: i64 },
    Named { name: String, zone: TimeZone },
}

/// What a clock in the zone shows at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    /// Seconds east of Greenwich.
    pub(crate) seconds: i64,
    pub(crate) abbreviation: String,
    pub(crate) is_dst: bool,
}

/// The zones are part of the program: a plugin's image may have none, and this crate reads no files.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl Zone {
    pub(crate) fn utc() -> Self {
        static UTC: LazyLock<Zone> = LazyLock::new(|| Zone(Arc::new(Rules::Utc)));
        UTC.clone()
    }

    pub(crate) fn fixed(name: &str, offset: i64) -> Self {
        Self(Arc::new(Rules::Fixed {
            name: name.to_owned(),
            offset,
        }))
    }

    /// `time.LoadLocation`.
    ///
    /// # Errors
    /// Go's text for a name that is not in the time zone database. Case matters.
    pub(crate) fn load(name: &str) -> Result<Self, String> {
        if matches!(name, "" | "UTC" | "Local") {
            return Ok(Self::utc());
        }
        if name.contains("..") || name.starts_with(['/', '\\']) {
            return Err("time: invalid location name".to_owned());
        }
        // Go looks for a file of this name, and a path may say nothing a few times.
        let parts = name
            .split('/')
            .enumerate()
            .filter(|(index, part)| *index == 0 || !matches!(*part, "" | "."));
        let path = parts.map(|(_, part)| part).collect::<Vec<_>>().join("/");
        match ZONES.get(&path) {
            Ok(zone) if zone.iana_name() == Some(&*path) && !name.ends_with('/') => {
                Ok(Self(Arc::new(Rules::Named {
                    name: name.to_owned(),
                    zone,
                })))
            }
            _ => Err(format!("unknown time zone {name}")),
        }
    }

    /// `Location.String`
    pub(crate) fn name(&self) -> &str {
        match &*self.0 {
            Rules::Utc => "UTC",
            Rules::Fixed { name, .. } | Rules::Named { name, .. } => name,
        }
    }

    /// Equal for zones that Go's `==` takes for the same.
    pub(crate) fn identity(&self) -> String {
        match &*self.0 {
            Rules::Fixed { name, offset } => format!("{name}{offset:+}"),
            Rules::Utc | Rules::Named { .. } => self.name().to_owned(),
        }
    }

    /// Equal for zones that Go has at the same address, which is what counts in the key of a map: UTC, the unnamed ones
    /// of whole hours (`unnamedFixedZones` in `time/zoneinfo.go`), and those that were loaded or read together.
    pub(crate) fn address(&self) -> String {
        match &*self.0 {
            Rules::Utc => "UTC".to_owned(),
            Rules::Fixed { name, offset }
                if name.is_empty() && offset % 3600 == 0 && (-12..=14).contains(&(offset / 3600)) =>
            {
                format!("{offset:+}")
            }
            Rules::Fixed { .. } | Rules::Named { .. } => format!("{:p}", Arc::as_ptr(&self.0)),
        }
    }

    pub(crate) fn is_utc(&self) -> bool {
        matches!(&*self.0, Rules::Utc)
    }

    pub(crate) fn at(&self, unix_seconds: i64) -> Offset {
        match &*self.0 {
            Rules::Utc => Offset {
                seconds: 0,
                abbreviation: "UTC".to_owned(),
                is_dst: false,
            },
            Rules::Fixed { name, offset } => Offset {
                seconds: *offset,
                abbreviation: name.clone(),
                is_dst: false,
            },
            Rules::Named { zone, .. } => {
                let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
                let clamped = unix_seconds.clamp(*range.start(), *range.end());
                let info =
                    zone.to_offset_info(Timestamp::from_second(clamped).unwrap_or(Timestamp::UNIX_EPOCH));
                Offset {
                    seconds: info.offset().seconds().into(),
                    abbreviation: info.abbreviation().to_owned(),
                    is_dst: info.dst().is_dst(),
                }
            }
        }
    }

    /// Seconds since 1970 of what a clock in the zone shows, given as if it were UTC. In a gap or an overlap the
    /// choice is Go's (`time.Date`).
    pub(crate) fn to_unix(&self, shown: i64) -> i64 {
        match self.at(shown).seconds {
            0 => shown,
            guess => shown.wrapping_sub(self.at(shown.wrapping_sub(guess)).seconds),
        }
    }

    /// The offset that an abbreviation stands for in this zone, preferably at the given time (`lookupName` in
    /// `time/zoneinfo.go`).
    pub(crate) fn offset_of(&self, abbreviation: &str, shown: i64) -> Option<i64> {
        let Rules::Named { zone, .. } = &*self.0 else {
            let only = self.at(0);
            return (only.abbreviation == abbreviation).then_some(only.seconds);
        };
        // Every abbreviation in use since 1900 or so; the rules for the future use the last two.
        let far = Timestamp::from_second(4_102_444_800).unwrap_or(Timestamp::MAX);
        let mut offsets: Vec<i64> = zone
            .preceding(far)
            .filter(|transition| transition.abbreviation() == abbreviation)
            .map(|transition| i64::from(transition.offset().seconds()))
            .collect();
        offsets.dedup();
        let in_effect = |offset: &&i64| self.at(shown.wrapping_sub(**offset)).abbreviation == abbreviation;
        match offsets.iter().find(in_effect) {
            Some(offset) => Some(self.at(shown.wrapping_sub(*offset)).seconds),
            None => offsets.first().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Zone;

    #[test]
    fn zones_are_compiled_in() {
        let berlin = Zone::load("Europe/Berlin").unwrap();
        assert_eq!(
            (berlin.at(1_700_000_000).seconds, berlin.at(1_690_000_000).seconds),
            (3600, 7200)
        );
        assert_eq!(berlin.at(1_690_000_000).abbreviation, "CEST");
        assert_eq!(berlin.offset_of("CET", 1_700_000_000), Some(3600));
        assert!(Zone::load("europe/berlin").is_err());
        assert!(Zone::load("../etc/passwd").is_err());
        assert!(Zone::load("Europe//Berlin").is_ok_and(|zone| zone.name() == "Europe//Berlin"));
        assert!(Zone::load("Europe/Berlin/").is_err() && Zone::load("/Europe/Berlin").is_err());
    }
}
