//! Go types, as far as a condition can have them.

use std::fmt;

/// A Go type (`reflect.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// `interface {}`: known only when the condition runs
    Any,
    Bool,
    Int,
    Int64,
    Uint8,
    Float64,
    String,
    SliceAny,
    SliceFloat64,
    SliceInt,
    SliceString,
    SliceUint8,
    MapStringAny,
    MapAnyAny,
    /// `map[interface {}][]interface {}`
    MapAnySlice,
    IntSet,
    StringSet,
    Time,
    Duration,
    Month,
    Weekday,
    /// `*time.Location`
    Location,
    /// `time.Location`
    LocationStruct,
    /// `error`, which only functions return
    Error,
    Func(&'static Signature),
}

/// The kind of a Go type (`reflect.Kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Interface,
    Bool,
    Int,
    Int64,
    Uint8,
    Float64,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
    Func,
}

/// The type of a function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The type whose method this is. A method's type has its receiver as first parameter; `params` leaves it out.
    pub(crate) receiver: Option<Type>,
    pub(crate) params: &'static [Type],
    /// Whether the last parameter stands for any number of them.
    pub(crate) variadic: bool,
    pub(crate) outs: &'static [Type],
}

impl Signature {
    pub(crate) const fn new(params: &'static [Type], outs: &'static [Type]) -> Self {
        Self {
            receiver: None,
            params,
            variadic: false,
            outs,
        }
    }

    /// Whether expr calls functions of this type without reflection (`TypedFuncIndex` in `checker/info.go`), which shows
    /// where an argument is nil or not of the type the checker took it for. A method that is called on its receiver
    /// leaves it out.
    pub(crate) fn is_called_typed(&self, is_method: bool) -> bool {
        if self.variadic {
            return false;
        }
        let [out] = *self.outs else {
            return false;
        };
        let receiver = self.receiver.filter(|_| !is_method);
        let params: Vec<Type> = receiver.into_iter().chain(self.params.iter().copied()).collect();
        matches!(
            (params.as_slice(), out),
            (
                [],
                Type::Duration
                    | Type::Month
                    | Type::Time
                    | Type::Weekday
                    | Type::Bool
                    | Type::Float64
                    | Type::Int
                    | Type::Int64
                    | Type::String
            ) | ([Type::Duration], Type::Duration | Type::Time)
                | ([Type::Time], Type::Duration | Type::Bool)
                | ([Type::Any], Type::Bool | Type::Float64)
                | ([Type::Any, Type::Any], Type::Any)
                | ([Type::Float64], Type::Bool)
                | ([Type::String], Type::String)
        )
    }
}

impl Type {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Any | Self::Error => Kind::Interface,
            Self::Bool => Kind::Bool,
            Self::Int | Self::Month | Self::Weekday => Kind::Int,
            Self::Int64 | Self::Duration => Kind::Int64,
            Self::Uint8 => Kind::Uint8,
            Self::Float64 => Kind::Float64,
            Self::String => Kind::String,
            Self::SliceAny | Self::SliceFloat64 | Self::SliceInt | Self::SliceString | Self::SliceUint8 => {
                Kind::Slice
            }
            Self::MapStringAny | Self::MapAnyAny | Self::MapAnySlice | Self::IntSet | Self::StringSet => {
                Kind::Map
            }
            Self::Time | Self::LocationStruct => Kind::Struct,
            Self::Location => Kind::Pointer,
            Self::Func(_) => Kind::Func,
        }
    }

    /// What a pointer points to; other types are left alone.
    pub(crate) fn deref(self) -> Self {
        if self == Self::Location {
            Self::LocationStruct
        } else {
            self
        }
    }

    /// The elements of a slice or the values of a map.
    pub(crate) fn elem(self) -> Option<Self> {
        Some(match self {
            Self::SliceAny | Self::MapStringAny | Self::MapAnyAny => Self::Any,
            Self::SliceFloat64 => Self::Float64,
            Self::SliceInt => Self::Int,
            Self::SliceString => Self::String,
            Self::SliceUint8 => Self::Uint8,
            Self::MapAnySlice => Self::SliceAny,
            _ => return None,
        })
    }

    pub(crate) fn key(self) -> Option<Self> {
        Some(match self {
            Self::MapStringAny | Self::StringSet => Self::String,
            Self::MapAnyAny | Self::MapAnySlice => Self::Any,
            Self::IntSet => Self::Int,
            _ => return None,
        })
    }

    /// `reflect.Type.AssignableTo`: no type here has another's underlying type, so only the same and `any` are left.
    pub(crate) fn is_assignable_to(self, other: Self) -> bool {
        self == other || other == Self::Any
    }
}

/// As Go prints a type.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::SliceAny => "[]interface {}",
            Self::SliceFloat64 => "[]float64",
            Self::SliceInt => "[]int",
            Self::SliceString => "[]string",
            Self::SliceUint8 => "[]uint8",
            Self::MapStringAny => "map[string]interface {}",
            Self::MapAnyAny => "map[interface {}]interface {}",
            Self::MapAnySlice => "map[interface {}][]interface {}",
            Self::IntSet => "map[int]struct {}",
            Self::StringSet => "map[string]struct {}",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
            Self::Location => "*time.Location",
            Self::LocationStruct => "time.Location",
            Self::Error => "error",
            Self::Func(signature) => return signature.fmt(f),
        })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.params.len();
        let params = self.params.iter().enumerate().map(|(index, param)| {
            if self.variadic && index + 1 == last {
                // The type of the parameter is a slice.
                format!("...{}", param.elem().unwrap_or(*param))
            } else {
                param.to_string()
            }
        });
        let params: Vec<String> = self.receiver.iter().map(Type::to_string).chain(params).collect();
        let outs: Vec<String> = self.outs.iter().map(Type::to_string).collect();
        write!(f, "func({})", params.join(", "))?;
        match outs.as_slice() {
            [] => Ok(()),
            [out] => write!(f, " {out}"),
            outs => write!(f, " ({})", outs.join(", ")),
        }
    }
}
