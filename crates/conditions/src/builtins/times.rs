//! Times.

use super::text;
use crate::error::Fault;
use crate::machine::Meter;
use crate::time::{self, Time, Zone, duration as durations};
use crate::value::Datum;

/// In the zone that may be given.
pub(super) fn now(arguments: &[Datum], meter: &Meter<'_>) -> Result<Datum, Box<Fault>> {
    let now = Time::at((meter.now)());
    match arguments {
        [] => Ok(Datum::Time(now.into())),
        [Datum::Zone(zone)] => Ok(Datum::Time(now.with_zone(zone.clone()).into())),
        _ => Err(Fault::run(format!(
            "invalid number of arguments (expected 0, got {})",
            arguments.len()
        ))),
    }
}

pub(super) fn duration(x: &Datum) -> Result<Datum, Box<Fault>> {
    Ok(Datum::Duration(durations::parse(text(x)?.as_bytes())?))
}

/// Finding a zone, or trying a layout, in steps.
const LOOKUP: usize = 20;

pub(super) fn timezone(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    meter.steps(LOOKUP)?;
    Ok(Datum::Zone(Zone::load(&text(x)?.to_str())?))
}

/// What `date` tries where no layout is given.
const LAYOUTS: [&str; 7] = [
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
];

/// `date(zone?, text, layout?, zone?)`
pub(super) fn date(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    meter.steps(LOOKUP * LAYOUTS.len() / 2)?;
    let (zone, arguments) = match arguments {
        [Datum::Zone(zone), rest @ ..] => (zone.clone(), rest),
        all => (Zone::utc(), all),
    };
    let Some(value) = arguments.first() else {
        return Err(Fault::run("runtime error: index out of range [0] with length 0"));
    };
    let value = text(value)?.to_str();
    let time = match arguments {
        [_, layout] => time::parse(&text(layout)?.to_str(), &value, &zone)?,
        [_, layout, zone] => {
            let layout = text(layout)?.to_str();
            time::parse(&layout, &value, &Zone::load(&text(zone)?.to_str())?)?
        }
        _ => LAYOUTS
            .iter()
            .find_map(|layout| time::parse(layout, &value, &zone).ok())
            .ok_or_else(|| Fault::run(format!("invalid date {value}")))?,
    };
    Ok(Datum::Time(time.into()))
}
