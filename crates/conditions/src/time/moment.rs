//! `time.Time`.

use std::cmp::Ordering;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::civil::{self, Date};
use super::{Zone, format};

/// An instant to the nanosecond, and the zone it is shown in.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    /// Since 1970-01-01T00:00:00Z.
    seconds: i64,
    /// 0 to 999,999,999.
    nanosecond: u32,
    zone: Zone,
}

/// What a clock shows. Every field may lie outside its range and carries over into the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

const DAY: i64 = 86_400;
const BILLION: i128 = 1_000_000_000;
/// From 0001-01-01, Go's zero time, to 1970-01-01, in seconds.
const ZERO_TO_EPOCH: i128 = 62_135_596_800;

impl Time {
    pub(crate) fn new(seconds: i64, nanosecond: u32, zone: Zone) -> Self {
        Self {
            seconds,
            nanosecond,
            zone,
        }
    }

    /// 0001-01-01T00:00:00Z
    pub(crate) fn zero() -> Self {
        Self::new(-ZERO_TO_EPOCH as i64, 0, Zone::utc())
    }

    /// `time.Now`, given the time.
    pub(crate) fn at(now: SystemTime) -> Self {
        let nanoseconds = match now.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        Self::of_nanoseconds(nanoseconds, Zone::utc())
    }

    /// `time.Date`, but for the nanoseconds, which must be in range.
    pub(crate) fn of_date(date: Date, clock: Clock, nanosecond: u32, zone: Zone) -> Self {
        let days = civil::days(date.year.into(), date.month.into(), date.day.into());
        let shown = days * i128::from(DAY)
            + i128::from(clock.hour) * 3600
            + i128::from(clock.minute) * 60
            + i128::from(clock.second);
        // Go's arithmetic wraps around too.
        let seconds = zone.to_unix(shown as i64);
        Self {
            seconds,
            nanosecond,
            zone,
        }
    }

    fn of_nanoseconds(nanoseconds: i128, zone: Zone) -> Self {
        Self {
            seconds: nanoseconds.div_euclid(BILLION) as i64,
            nanosecond: nanoseconds.rem_euclid(BILLION) as u32,
            zone,
        }
    }

    fn nanoseconds(&self) -> i128 {
        i128::from(self.seconds) * BILLION + i128::from(self.nanosecond)
    }

    pub(crate) fn unix_seconds(&self) -> i64 {
        self.seconds
    }

    /// In units of so many to the second; wraps around as Go's arithmetic does.
    pub(crate) fn unix_in(&self, per_second: i64) -> i64 {
        (self.nanoseconds().div_euclid(BILLION / i128::from(per_second))) as i64
    }

    pub(crate) fn nanosecond(&self) -> u32 {
        self.nanosecond
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    pub(crate) fn with_zone(&self, zone: Zone) -> Self {
        Self { zone, ..self.clone() }
    }

    /// The offset in effect: seconds east of Greenwich.
    pub(crate) fn offset(&self) -> i64 {
        self.zone.at(self.seconds).seconds
    }

    /// The day on the zone's calendar, in days since 1970-01-01.
    pub(crate) fn days(&self) -> i64 {
        self.shown().div_euclid(DAY)
    }

    pub(crate) fn date(&self) -> Date {
        civil::date(self.days())
    }

    pub(crate) fn clock(&self) -> Clock {
        let second = self.shown().rem_euclid(DAY);
        Clock {
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    fn shown(&self) -> i64 {
        self.seconds.wrapping_add(self.offset())
    }

    /// `Time.IsZero`
    pub(crate) fn is_zero(&self) -> bool {
        i128::from(self.seconds) == -ZERO_TO_EPOCH && self.nanosecond == 0
    }

    /// `Time.Compare`
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanosecond).cmp(&(other.seconds, other.nanosecond))
    }

    /// `Time.Add`
    pub(crate) fn add(&self, duration: i64) -> Self {
        Self::of_nanoseconds(self.nanoseconds() + i128::from(duration), self.zone.clone())
    }

    /// `Time.Sub`; a difference that does not fit is the nearest that does.
    pub(crate) fn sub(&self, other: &Self) -> i64 {
        let difference = self.nanoseconds() - other.nanoseconds();
        difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// `Time.AddDate`
    pub(crate) fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let Date { year, month, day } = self.date();
        let date = Date {
            year: year.wrapping_add(years),
            month: month.wrapping_add(months),
            day: day.wrapping_add(days),
        };
        Self::of_date(date, self.clock(), self.nanosecond, self.zone.clone())
    }

    /// `Time.Truncate`: down to a multiple of the duration since the zero time.
    pub(crate) fn truncate(&self, duration: i64) -> Self {
        if duration <= 0 {
            self.clone()
        } else {
            self.add(-self.remainder(duration))
        }
    }

    /// `Time.Round`: to the nearest such multiple, halves up.
    pub(crate) fn round(&self, duration: i64) -> Self {
        if duration <= 0 {
            return self.clone();
        }
        let remainder = self.remainder(duration);
        let down = i128::from(remainder) * 2 < i128::from(duration);
        self.add(if down { -remainder } else { duration - remainder })
    }

    fn remainder(&self, duration: i64) -> i64 {
        (self.nanoseconds() + ZERO_TO_EPOCH * BILLION).rem_euclid(duration.into()) as i64
    }

    /// `Time.ISOWeek`: the year that the week belongs to, and its number.
    pub(crate) fn iso_week(&self) -> (i64, i64) {
        let days = self.days();
        // The week belongs to the year of its Thursday.
        let thursday = days - (civil::weekday(days) + 6) % 7 + 3;
        let date = civil::date(thursday);
        (date.year, (civil::year_day(date) - 1) / 7 + 1)
    }

    pub(crate) fn format(&self, layout: &str) -> String {
        format::format(self, layout)
    }

    /// As `Time.MarshalJSON` writes it.
    ///
    /// # Errors
    /// What RFC 3339 cannot express: a year of five digits, an offset of a day.
    pub(crate) fn to_rfc3339(&self) -> Result<String, String> {
        if !(0..=9999).contains(&self.date().year) {
            return Err("year outside of range [0,9999]".to_owned());
        }
        if self.offset().abs() / 3600 >= 24 {
            return Err("timezone hour outside of range [0,23]".to_owned());
        }
        Ok(self.format("2006-01-02T15:04:05.999999999Z07:00"))
    }
}

/// `Time.String`
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}
