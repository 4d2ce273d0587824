//! The functions of expr v1.17 (`builtin/builtin.go`).

mod bits;
mod lists;
mod maps;
mod numbers;
mod signature;
mod texts;
mod times;

pub(crate) use self::lists::sort_by;
pub(crate) use self::maps::{grouped, unhashable};
pub(crate) use self::signature::{Check, ident_signature};

use crate::error::Fault;
use crate::machine::Meter;
use crate::value::{Datum, Text};

/// An argument of a built-in that takes a predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PredicateArgument {
    Value,
    OptionalValue,
    Predicate,
    OptionalPredicate,
}

impl PredicateArgument {
    pub(crate) fn is_optional(self) -> bool {
        matches!(self, Self::OptionalValue | Self::OptionalPredicate)
    }

    pub(crate) fn is_predicate(self) -> bool {
        matches!(self, Self::Predicate | Self::OptionalPredicate)
    }
}

/// Declares the built-ins and their names in one place.
macro_rules! builtins {
    ($($variant:ident $name:literal,)*) => {
        /// A built-in function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Builtin { $($variant,)* }

        impl Builtin {
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub(crate) fn parse(name: &[u8]) -> Option<Self> {
                str::from_utf8(name).ok().and_then(|name| match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                })
            }

            /// Every name, for guessing what was meant.
            pub(crate) const NAMES: &[&str] = &[$($name,)*];
        }
    };
}

builtins! {
    All "all", None "none", Any "any", One "one", Filter "filter", Map "map", Find "find", FindIndex "findIndex",
    FindLast "findLast", FindLastIndex "findLastIndex", Count "count", Sum "sum", GroupBy "groupBy",
    SortBy "sortBy", Reduce "reduce",
    Len "len", Type "type", Abs "abs", Ceil "ceil", Floor "floor", Round "round", Int "int", Float "float",
    String "string", Trim "trim", TrimPrefix "trimPrefix", TrimSuffix "trimSuffix", Upper "upper", Lower "lower",
    Split "split", SplitAfter "splitAfter", Replace "replace", Repeat "repeat", Join "join", IndexOf "indexOf",
    LastIndexOf "lastIndexOf", HasPrefix "hasPrefix", HasSuffix "hasSuffix", Max "max", Min "min", Mean "mean",
    Median "median", ToJson "toJSON", FromJson "fromJSON", ToBase64 "toBase64", FromBase64 "fromBase64", Now "now",
    Duration "duration", Date "date", Timezone "timezone", First "first", Last "last", Get "get", Take "take",
    Keys "keys", Values "values", ToPairs "toPairs", FromPairs "fromPairs", Reverse "reverse", Uniq "uniq",
    Concat "concat", Flatten "flatten", Sort "sort", BitAnd "bitand", BitOr "bitor", BitXor "bitxor",
    BitNand "bitnand", BitShl "bitshl", BitShr "bitshr", BitUshr "bitushr", BitNot "bitnot",
}

impl Builtin {
    /// What a built-in with a predicate takes; `None` for the others.
    pub(crate) fn predicate_arguments(self) -> Option<&'static [PredicateArgument]> {
        use PredicateArgument::{OptionalPredicate, OptionalValue, Predicate, Value};
        Some(match self {
            Self::All
            | Self::None
            | Self::Any
            | Self::One
            | Self::Filter
            | Self::Map
            | Self::Find
            | Self::FindIndex
            | Self::FindLast
            | Self::FindLastIndex
            | Self::GroupBy => &[Value, Predicate],
            Self::Count | Self::Sum => &[Value, OptionalPredicate],
            Self::SortBy | Self::Reduce => &[Value, Predicate, OptionalValue],
            _ => return None,
        })
    }

    /// Calls a built-in that takes no predicate.
    ///
    /// # Errors
    /// Arguments that the types did not rule out but the values do, and exceeded budgets.
    pub(crate) fn call(self, arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
        match self {
            Self::Len => lists::len(arguments),
            Self::Type => Ok(Datum::text(type_name(&arguments[0]))),
            Self::Abs => numbers::abs(&arguments[0]),
            Self::Ceil => numbers::rounded("ceil", &arguments[0], f64::ceil),
            Self::Floor => numbers::rounded("floor", &arguments[0], f64::floor),
            Self::Round => numbers::rounded("round", &arguments[0], f64::round),
            Self::Int => numbers::int(&arguments[0]),
            Self::Float => numbers::float(&arguments[0]),
            Self::Max => numbers::extreme("max", std::cmp::Ordering::Less, arguments, meter),
            Self::Min => numbers::extreme("min", std::cmp::Ordering::Greater, arguments, meter),
            Self::Mean => numbers::mean(arguments, meter),
            Self::Median => numbers::median(arguments, meter),
            Self::String => texts::string(&arguments[0], meter),
            Self::Trim => texts::trim(arguments, meter),
            Self::TrimPrefix => texts::trim_affix(arguments, meter, <[u8]>::strip_prefix),
            Self::TrimSuffix => texts::trim_affix(arguments, meter, <[u8]>::strip_suffix),
            Self::Upper => texts::map_case(&arguments[0], meter, crate::go::strings::to_upper),
            Self::Lower => texts::map_case(&arguments[0], meter, crate::go::strings::to_lower),
            Self::Split => texts::split(arguments, meter, false),
            Self::SplitAfter => texts::split(arguments, meter, true),
            Self::Replace => texts::replace(arguments, meter),
            Self::Repeat => texts::repeat(arguments, meter),
            Self::Join => texts::join(arguments, meter),
            Self::IndexOf => texts::index_of(arguments, crate::go::strings::index),
            Self::LastIndexOf => texts::index_of(arguments, crate::go::strings::last_index),
            Self::HasPrefix => texts::has_affix(arguments, <[u8]>::starts_with),
            Self::HasSuffix => texts::has_affix(arguments, <[u8]>::ends_with),
            Self::ToJson => texts::to_json(&arguments[0], meter),
            Self::FromJson => texts::from_json(&arguments[0], meter),
            Self::ToBase64 => texts::to_base64(&arguments[0], meter),
            Self::FromBase64 => texts::from_base64(&arguments[0], meter),
            Self::Now => times::now(arguments, meter),
            Self::Duration => times::duration(&arguments[0]),
            Self::Date => times::date(arguments, meter),
            Self::Timezone => times::timezone(&arguments[0], meter),
            // Both swallow what goes wrong.
            Self::First => Ok(lists::fetch_or_nil(&arguments[0], 0)),
            Self::Last => Ok(lists::fetch_or_nil(&arguments[0], -1)),
            Self::Get => maps::get(&arguments[0], &arguments[1]),
            Self::Take => lists::take(arguments),
            Self::Keys => maps::keys(&arguments[0], meter),
            Self::Values => maps::values(&arguments[0], meter),
            Self::ToPairs => maps::to_pairs(&arguments[0], meter),
            Self::FromPairs => maps::from_pairs(&arguments[0], meter),
            Self::Reverse => lists::reverse(&arguments[0], meter),
            Self::Uniq => lists::uniq(&arguments[0], meter),
            Self::Concat => lists::concat(arguments, meter),
            Self::Flatten => lists::flatten(&arguments[0], meter),
            Self::Sort => lists::sort(arguments, meter),
            Self::BitAnd
            | Self::BitOr
            | Self::BitXor
            | Self::BitNand
            | Self::BitShl
            | Self::BitShr
            | Self::BitUshr => bits::binary(self, arguments),
            Self::BitNot => bits::not(&arguments[0]),
            // The compiler writes these as loops.
            Self::All
            | Self::None
            | Self::Any
            | Self::One
            | Self::Filter
            | Self::Map
            | Self::Find
            | Self::FindIndex
            | Self::FindLast
            | Self::FindLastIndex
            | Self::Count
            | Self::Sum
            | Self::GroupBy
            | Self::SortBy
            | Self::Reduce => Err(Fault::run(format!("{} takes a predicate", self.name()))),
        }
    }
}

/// `type(x)`
fn type_name(x: &Datum) -> &'static str {
    match x {
        Datum::Nil => "nil",
        Datum::Bool(_) => "bool",
        Datum::Int(_) | Datum::Int64(_) => "int",
        Datum::Uint8(_) => "uint",
        Datum::Float(_) => "float",
        Datum::Text(_) => "string",
        Datum::List(_) => "array",
        Datum::Map(_) => "map",
        Datum::Function(_) => "func",
        Datum::Zone(_) => "unknown",
        Datum::Time(_) | Datum::Duration(_) | Datum::Month(_) | Datum::Weekday(_) | Datum::ZoneStruct(_) => {
            x.go_type()
        }
    }
}

/// A Go type assertion to `string`.
fn text(x: &Datum) -> Result<&Text, Box<Fault>> {
    match x {
        Datum::Text(text) => Ok(text),
        other => Err(not_of_type(other, "string")),
    }
}

/// What Go says when a value in an interface is not of the type it is taken for.
pub(crate) fn not_of_type(x: &Datum, wanted: &str) -> Box<Fault> {
    let found = match x {
        Datum::Nil => "nil",
        other => other.go_type(),
    };
    Fault::run(format!(
        "interface conversion: interface {{}} is {found}, not {wanted}"
    ))
}

/// What the built-ins take for a number to count or index with (`runtime.ToInt` of expr).
pub(crate) fn to_int(x: &Datum) -> Result<i64, Box<Fault>> {
    match x {
        Datum::Float(x) => Ok(crate::go::number::truncate(*x)),
        other => other
            .as_int()
            .ok_or_else(|| Fault::run(format!("invalid operation: int({})", other.go_type()))),
    }
}
