//! The methods of `time.Time`.
//!
//! Left out are those that only another Go program could use: `GobEncode`, `MarshalBinary`, `AppendBinary`,
//! `AppendText`, `AppendFormat` and `ZoneBounds`. To call one is an error that says so.

use Type::{
    Bool, Duration, Error, Int, Int64, Location, Month, SliceUint8, String as Str, Time as Instant, Weekday,
};

use super::super::{Time, Zone, civil, month_name};
use super::{Method, method};
use crate::types::Type;
use crate::value::{Datum, List, Text};

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

fn shown(time: Time) -> Datum {
    Datum::Time(time.into())
}

fn unsupported(_: &Datum, _: &[Datum]) -> Result<Datum, String> {
    Err("this method of Go's time package is not available in conditions".to_owned())
}

pub(super) const METHODS: &[Method] = &[
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
