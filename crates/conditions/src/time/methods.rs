//! The methods of Go's time types, as conditions call them: `now().Unix()`, `duration("1h").Minutes()`.

mod duration;
mod instant;

use super::{month_name, weekday_name};
use crate::types::{Signature, Type};
use crate::value::Datum;

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
        Type::Time => instant::METHODS,
        Type::Duration => duration::METHODS,
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

use Type::{Location, Month, String as Str, Weekday};

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
