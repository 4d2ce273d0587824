//! The methods of Go's time types, as conditions call them: `now().Unix()`, `duration("1h").Minutes()`.
//!
//! Left out are those that only another Go program could use: `GobEncode`, `MarshalBinary`, `AppendBinary`,
//! `AppendText`, `AppendFormat` and `ZoneBounds`. To call one is an error that says so.

use super::{Time, Zone, civil, duration, month_name, weekday_name};
use crate::types::{Signature, Type};
use crate::value::{Datum, List, Text};

/// A method and its code.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) signature: Signature,
    /// Called with arguments of the types the signature has; only `*time.Location` may be nil.
    pub(crate) call: fn(&Datum, &[Datum]) -> Result<Datum, String>,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The method that a value of this type has by this name.
pub(crate) fn of_type(ty: Type, name: &[u8]) -> Option<&'static Method> {
    let methods = match ty {
        Type::Time => TIME,
        Type::Duration => DURATION,
        Type::Month => MONTH,
        Type::Weekday => WEEKDAY,
        Type::Location => LOCATION,
        _ => return None,
    };
    methods.iter().find(|method| method.name.as_bytes() == name)
}

/// The same by the type that a value turns out to have.
pub(crate) fn of_datum(datum: &Datum, name: &[u8]) -> Option<&'static Method> {
    let ty = match datum {
        Datum::Time(_) => Type::Time,
        Datum::Duration(_) => Type::Duration,
        Datum::Month(_) => Type::Month,
        Datum::Weekday(_) => Type::Weekday,
        Datum::Zone(_) => Type::Location,
        _ => return None,
    };
    of_type(ty, name)
}

const fn method(
    receiver: Type,
    name: &'static str,
    params: &'static [Type],
    outs: &'static [Type],
    call: fn(&Datum, &[Datum]) -> Result<Datum, String>,
) -> Method {
    Method {
        name,
        signature: Signature {
            receiver: Some(receiver),
            params,
            variadic: false,
            outs,
        },
        call,
    }
}

/// The call of a method of `time.Time`. The machine has checked the receiver.
macro_rules! time {
    (|$t:ident| $body:expr) => {
        |receiver, _| match receiver {
            Datum::Time($t) => Ok($body),
            other => Err(format!("{} is not a time.Time", other.go_type())),
        }
    };
    (|$t:ident, $arg:ident : $variant:ident| $body:expr) => {
        |receiver, arguments| match (receiver, arguments) {
            (Datum::Time($t), [Datum::$variant($arg)]) => Ok($body),
            (other, _) => Err(format!("{} is not a time.Time", other.go_type())),
        }
    };
}

macro_rules! span {
    (|$d:ident| $body:expr) => {
        |receiver, _| match receiver {
            Datum::Duration($d) => Ok($body),
            other => Err(format!("{} is not a time.Duration", other.go_type())),
        }
    };
    (|$d:ident, $arg:ident| $body:expr) => {
        |receiver, arguments| match (receiver, arguments) {
            (Datum::Duration($d), [Datum::Duration($arg)]) => Ok($body),
            (other, _) => Err(format!("{} is not a time.Duration", other.go_type())),
        }
    };
}

fn shown(time: Time) -> Datum {
    Datum::Time(time.into())
}

fn unsupported(_: &Datum, _: &[Datum]) -> Result<Datum, String> {
    Err("this method of Go's time package is not available in conditions".to_owned())
}

use Type::{
    Bool, Duration, Error, Float64, Int, Int64, Location, Month, SliceUint8, String as Str, Time as Instant,
    Weekday,
};

const TIME: &[Method] = &[
    method(
        Instant,
        "Add",
        &[Duration],
        &[Instant],
        time!(|t, d: Duration| shown(t.add(*d))),
    ),
    method(
        Instant,
        "AddDate",
        &[Int, Int, Int],
        &[Instant],
        |receiver, arguments| match (receiver, arguments) {
            (Datum::Time(t), [Datum::Int(years), Datum::Int(months), Datum::Int(days)]) => {
                Ok(shown(t.add_date(*years, *months, *days)))
            }
            (other, _) => Err(format!("{} is not a time.Time", other.go_type())),
        },
    ),
    method(
        Instant,
        "After",
        &[Instant],
        &[Bool],
        time!(|t, u: Time| Datum::Bool(t.compare(u).is_gt())),
    ),
    method(
        Instant,
        "AppendBinary",
        &[SliceUint8],
        &[SliceUint8, Error],
        unsupported,
    ),
    method(
        Instant,
        "AppendFormat",
        &[SliceUint8, Str],
        &[SliceUint8],
        unsupported,
    ),
    method(
        Instant,
        "AppendText",
        &[SliceUint8],
        &[SliceUint8, Error],
        unsupported,
    ),
    method(
        Instant,
        "Before",
        &[Instant],
        &[Bool],
        time!(|t, u: Time| Datum::Bool(t.compare(u).is_lt())),
    ),
    // Of several results the first counts.
    method(
        Instant,
        "Clock",
        &[],
        &[Int, Int, Int],
        time!(|t| Datum::Int(t.clock().hour)),
    ),
    method(
        Instant,
        "Compare",
        &[Instant],
        &[Int],
        time!(|t, u: Time| Datum::Int(t.compare(u) as i64)),
    ),
    method(
        Instant,
        "Date",
        &[],
        &[Int, Month, Int],
        time!(|t| Datum::Int(t.date().year)),
    ),
    method(Instant, "Day", &[], &[Int], time!(|t| Datum::Int(t.date().day))),
    method(
        Instant,
        "Equal",
        &[Instant],
        &[Bool],
        time!(|t, u: Time| Datum::Bool(t.compare(u).is_eq())),
    ),
    method(
        Instant,
        "Format",
        &[Str],
        &[Str],
        time!(|t, layout: Text| Datum::text(t.format(&layout.to_str()))),
    ),
    method(
        Instant,
        "GoString",
        &[],
        &[Str],
        time!(|t| Datum::text(go_string(t))),
    ),
    method(Instant, "GobEncode", &[], &[SliceUint8, Error], unsupported),
    method(
        Instant,
        "Hour",
        &[],
        &[Int],
        time!(|t| Datum::Int(t.clock().hour)),
    ),
    method(
        Instant,
        "ISOWeek",
        &[],
        &[Int, Int],
        time!(|t| Datum::Int(t.iso_week().0)),
    ),
    method(
        Instant,
        "In",
        &[Location],
        &[Instant],
        |receiver, arguments| match (receiver, arguments) {
            (Datum::Time(t), [Datum::Zone(zone)]) => Ok(shown(t.with_zone(zone.clone()))),
            _ => Err("time: missing Location in call to Time.In".to_owned()),
        },
    ),
    method(
        Instant,
        "IsDST",
        &[],
        &[Bool],
        time!(|t| Datum::Bool(t.zone().at(t.unix_seconds()).is_dst)),
    ),
    method(
        Instant,
        "IsZero",
        &[],
        &[Bool],
        time!(|t| Datum::Bool(t.is_zero())),
    ),
    method(
        Instant,
        "Local",
        &[],
        &[Instant],
        time!(|t| shown(t.with_zone(Zone::utc()))),
    ),
    method(
        Instant,
        "Location",
        &[],
        &[Location],
        time!(|t| Datum::Zone(t.zone().clone())),
    ),
    method(Instant, "MarshalBinary", &[], &[SliceUint8, Error], unsupported),
    method(
        Instant,
        "MarshalJSON",
        &[],
        &[SliceUint8, Error],
        |receiver, _| marshalled(receiver, "Time.MarshalJSON: ").map(|text| bytes(format!("\"{text}\""))),
    ),
    method(
        Instant,
        "MarshalText",
        &[],
        &[SliceUint8, Error],
        |receiver, _| marshalled(receiver, "Time.MarshalText: ").map(bytes),
    ),
    method(
        Instant,
        "Minute",
        &[],
        &[Int],
        time!(|t| Datum::Int(t.clock().minute)),
    ),
    method(
        Instant,
        "Month",
        &[],
        &[Month],
        time!(|t| Datum::Month(t.date().month)),
    ),
    method(
        Instant,
        "Nanosecond",
        &[],
        &[Int],
        time!(|t| Datum::Int(t.nanosecond().into())),
    ),
    method(
        Instant,
        "Round",
        &[Duration],
        &[Instant],
        time!(|t, d: Duration| shown(t.round(*d))),
    ),
    method(
        Instant,
        "Second",
        &[],
        &[Int],
        time!(|t| Datum::Int(t.clock().second)),
    ),
    method(
        Instant,
        "String",
        &[],
        &[Str],
        time!(|t| Datum::text(t.to_string())),
    ),
    method(
        Instant,
        "Sub",
        &[Instant],
        &[Duration],
        time!(|t, u: Time| Datum::Duration(t.sub(u))),
    ),
    method(
        Instant,
        "Truncate",
        &[Duration],
        &[Instant],
        time!(|t, d: Duration| shown(t.truncate(*d))),
    ),
    method(
        Instant,
        "UTC",
        &[],
        &[Instant],
        time!(|t| shown(t.with_zone(Zone::utc()))),
    ),
    method(
        Instant,
        "Unix",
        &[],
        &[Int64],
        time!(|t| Datum::Int64(t.unix_seconds())),
    ),
    method(
        Instant,
        "UnixMicro",
        &[],
        &[Int64],
        time!(|t| Datum::Int64(t.unix_in(1_000_000))),
    ),
    method(
        Instant,
        "UnixMilli",
        &[],
        &[Int64],
        time!(|t| Datum::Int64(t.unix_in(1_000))),
    ),
    method(
        Instant,
        "UnixNano",
        &[],
        &[Int64],
        time!(|t| Datum::Int64(t.unix_in(1_000_000_000))),
    ),
    method(
        Instant,
        "Weekday",
        &[],
        &[Weekday],
        time!(|t| Datum::Weekday(civil::weekday(t.days()))),
    ),
    method(Instant, "Year", &[], &[Int], time!(|t| Datum::Int(t.date().year))),
    method(
        Instant,
        "YearDay",
        &[],
        &[Int],
        time!(|t| Datum::Int(civil::year_day(t.date()))),
    ),
    method(
        Instant,
        "Zone",
        &[],
        &[Str, Int],
        time!(|t| Datum::text(t.zone().at(t.unix_seconds()).abbreviation)),
    ),
    method(Instant, "ZoneBounds", &[], &[Instant, Instant], unsupported),
];

const DURATION: &[Method] = &[
    method(
        Duration,
        "Abs",
        &[],
        &[Duration],
        span!(|d| Datum::Duration(d.saturating_abs())),
    ),
    method(
        Duration,
        "Hours",
        &[],
        &[Float64],
        span!(|d| Datum::Float(duration::in_units(*d, 3600 * duration::SECOND))),
    ),
    method(
        Duration,
        "Microseconds",
        &[],
        &[Int64],
        span!(|d| Datum::Int64(d / 1_000)),
    ),
    method(
        Duration,
        "Milliseconds",
        &[],
        &[Int64],
        span!(|d| Datum::Int64(d / 1_000_000)),
    ),
    method(
        Duration,
        "Minutes",
        &[],
        &[Float64],
        span!(|d| Datum::Float(duration::in_units(*d, 60 * duration::SECOND))),
    ),
    method(
        Duration,
        "Nanoseconds",
        &[],
        &[Int64],
        span!(|d| Datum::Int64(*d)),
    ),
    method(
        Duration,
        "Round",
        &[Duration],
        &[Duration],
        span!(|d, m| Datum::Duration(duration::round(*d, *m))),
    ),
    method(
        Duration,
        "Seconds",
        &[],
        &[Float64],
        span!(|d| Datum::Float(duration::in_units(*d, duration::SECOND))),
    ),
    method(
        Duration,
        "String",
        &[],
        &[Str],
        span!(|d| Datum::text(duration::print(*d))),
    ),
    method(
        Duration,
        "Truncate",
        &[Duration],
        &[Duration],
        span!(|d, m| Datum::Duration(duration::truncate(*d, *m))),
    ),
];

const MONTH: &[Method] = &[method(
    Month,
    "String",
    &[],
    &[Str],
    |receiver, _| match receiver {
        Datum::Month(month) => Ok(Datum::text(month_name(*month))),
        other => Err(format!("{} is not a time.Month", other.go_type())),
    },
)];

const WEEKDAY: &[Method] = &[method(
    Weekday,
    "String",
    &[],
    &[Str],
    |receiver, _| match receiver {
        Datum::Weekday(weekday) => Ok(Datum::text(weekday_name(*weekday))),
        other => Err(format!("{} is not a time.Weekday", other.go_type())),
    },
)];

const LOCATION: &[Method] = &[method(
    Location,
    "String",
    &[],
    &[Str],
    |receiver, _| match receiver {
        Datum::Zone(zone) => Ok(Datum::text(zone.name())),
        other => Err(format!("{} is not a *time.Location", other.go_type())),
    },
)];

fn marshalled(receiver: &Datum, prefix: &str) -> Result<String, String> {
    match receiver {
        Datum::Time(t) => t.to_rfc3339().map_err(|why| format!("{prefix}{why}")),
        other => Err(format!("{} is not a time.Time", other.go_type())),
    }
}

fn bytes(text: String) -> Datum {
    Datum::list(List::bytes(Text::from(text)))
}

/// `time.Date(2023, time.August, 14, 0, 0, 0, 0, time.UTC)`
fn go_string(t: &Time) -> String {
    let (date, clock) = (t.date(), t.clock());
    let zone = if t.zone().is_utc() {
        "time.UTC".to_owned()
    } else {
        format!("time.Location({:?})", t.zone().name())
    };
    format!(
        "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
        date.year,
        month_name(date.month),
        date.day,
        clock.hour,
        clock.minute,
        clock.second,
        t.nanosecond()
    )
}
