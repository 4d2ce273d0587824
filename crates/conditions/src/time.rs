//! Go's `time`: what `now`, `date`, `duration` and `timezone` give, and the methods of it.
//!
//! `time.Local` is UTC here, as it is in the controller's image.

pub(crate) mod civil;
pub(crate) mod duration;
mod format;
mod layout;
pub(crate) mod methods;
mod moment;
mod parse;
mod zone;

pub(crate) use self::moment::Time;
pub(crate) use self::parse::parse;
pub(crate) use self::zone::Zone;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// `time.Month.String`
pub(crate) fn month_name(month: i64) -> String {
    name_of(&MONTHS, month.wrapping_sub(1)).unwrap_or_else(|| format!("%!Month({month})"))
}

/// `time.Weekday.String`
pub(crate) fn weekday_name(weekday: i64) -> String {
    name_of(&WEEKDAYS, weekday).unwrap_or_else(|| format!("%!Weekday({weekday})"))
}

fn name_of(names: &[&str], index: i64) -> Option<String> {
    let name = names.get(usize::try_from(index).ok()?)?;
    Some((*name).to_owned())
}
