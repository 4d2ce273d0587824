//! What the checker knows of the built-ins: which arguments they take and what they give.

use super::Builtin;
use crate::types::{Kind, Signature, Type};
use Type::{
    Any, Bool, Duration, Error, Float64, Int, Location, MapAnyAny, SliceAny, SliceFloat64, SliceInt,
    SliceString, String as Str, Time,
};

/// How the arguments of a built-in are checked.
pub(crate) enum Check {
    /// Against each of these in turn.
    Overloads(&'static [Signature]),
    /// By a function of their types; `None` is nil.
    Types(fn(&[Option<Type>]) -> Result<Type, String>),
    /// By the checker itself.
    Get,
}

const fn sig(params: &'static [Type], outs: &'static [Type]) -> Signature {
    Signature::new(params, outs)
}

static PREDICATE: Signature = sig(&[Any], &[Bool]);
static MAPPER: Signature = sig(&[Any], &[Any]);
static REDUCER: Signature = sig(&[Any, Any], &[Any]);

/// The parameters of the built-ins that take a predicate. They show only where such a built-in has another name.
static LIST_AND_PREDICATE: [Type; 2] = [SliceAny, Type::Func(&PREDICATE)];
static LIST_AND_MAPPER: [Type; 2] = [SliceAny, Type::Func(&MAPPER)];
static LIST_PREDICATE_AND_ORDER: [Type; 3] = [SliceAny, Type::Func(&PREDICATE), Str];
static LIST_REDUCER_AND_INITIAL: [Type; 3] = [SliceAny, Type::Func(&REDUCER), Any];

static TO_BOOL: [Signature; 1] = [sig(&LIST_AND_PREDICATE, &[Bool])];
static TO_LIST: [Signature; 1] = [sig(&LIST_AND_PREDICATE, &[SliceAny])];
static TO_ANY: [Signature; 1] = [sig(&LIST_AND_PREDICATE, &[Any])];
static TO_INT: [Signature; 1] = [sig(&LIST_AND_PREDICATE, &[Int])];
static MAP: [Signature; 1] = [sig(&LIST_AND_MAPPER, &[SliceAny])];
static GROUP_BY: [Signature; 1] = [sig(&LIST_AND_MAPPER, &[Type::MapAnySlice])];
static SORT_BY: [Signature; 1] = [sig(&LIST_PREDICATE_AND_ORDER, &[SliceAny])];
static REDUCE: [Signature; 1] = [sig(&LIST_REDUCER_AND_INITIAL, &[Any])];

const TEXT_TO_TEXT: &[Signature] = &[sig(&[Str], &[Str])];
const AFFIX: &[Signature] = &[sig(&[Str, Str], &[Str]), sig(&[Str], &[Str])];
const SPLIT: &[Signature] = &[
    sig(&[Str, Str], &[SliceString]),
    sig(&[Str, Str, Int], &[SliceString]),
];
const TWO_TEXTS_TO_INT: &[Signature] = &[sig(&[Str, Str], &[Int])];
const TWO_TEXTS_TO_BOOL: &[Signature] = &[sig(&[Str, Str], &[Bool])];
const TWO_INTS: &[Signature] = &[sig(&[Int, Int], &[Int])];

/// The type of a built-in whose arguments are checked by a function.
static VARIADIC: Signature = Signature {
    receiver: None,
    params: &[SliceAny],
    variadic: true,
    outs: &[Any, Error],
};

/// The type that the name of a built-in has where it is not called.
pub(crate) fn ident_signature(builtin: Builtin) -> &'static Signature {
    match builtin.check() {
        Check::Overloads(overloads) => &overloads[0],
        Check::Types(_) | Check::Get => &VARIADIC,
    }
}

impl Builtin {
    pub(crate) fn check(self) -> Check {
        use Check::{Overloads, Types};
        match self {
            Self::All | Self::None | Self::Any | Self::One => Overloads(&TO_BOOL),
            Self::Filter => Overloads(&TO_LIST),
            Self::Map => Overloads(&MAP),
            Self::Find | Self::FindLast => Overloads(&TO_ANY),
            Self::FindIndex | Self::FindLastIndex | Self::Count | Self::Sum => Overloads(&TO_INT),
            Self::GroupBy => Overloads(&GROUP_BY),
            Self::SortBy => Overloads(&SORT_BY),
            Self::Reduce => Overloads(&REDUCE),
            Self::Len => Types(|types| {
                let ty = single(types)?;
                match kind(ty) {
                    Some(Kind::Map | Kind::Slice | Kind::String | Kind::Interface) => Ok(Int),
                    _ => Err(format!("invalid argument for len (type {})", shown(ty))),
                }
            }),
            Self::Abs => Types(|types| {
                let ty = single(types)?;
                if is_number_or_any(ty) {
                    Ok(ty.unwrap_or(Any))
                } else {
                    Err(format!("invalid argument for abs (type {})", shown(ty)))
                }
            }),
            Self::Ceil => Types(|types| rounded("ceil", types)),
            Self::Floor => Types(|types| rounded("floor", types)),
            Self::Round => Types(|types| rounded("round", types)),
            Self::Int => Types(|types| converted("int", Int, types)),
            Self::Float => Types(|types| converted("float", Float64, types)),
            Self::Type | Self::String | Self::ToJson => Overloads(const { &[sig(&[Any], &[Str])] }),
            Self::Trim => Overloads(const { &[sig(&[Str], &[Str]), sig(&[Str, Str], &[Str])] }),
            Self::TrimPrefix | Self::TrimSuffix => Overloads(AFFIX),
            Self::Upper | Self::Lower | Self::ToBase64 | Self::FromBase64 => Overloads(TEXT_TO_TEXT),
            Self::Split | Self::SplitAfter => Overloads(SPLIT),
            Self::Replace => {
                Overloads(const { &[sig(&[Str, Str, Str, Int], &[Str]), sig(&[Str, Str, Str], &[Str])] })
            }
            Self::Repeat => Overloads(const { &[sig(&[Str, Int], &[Str])] }),
            Self::Join => Overloads(
                const {
                    &[
                        sig(&[SliceString, Str], &[Str]),
                        sig(&[SliceAny, Str], &[Str]),
                        sig(&[SliceAny], &[Str]),
                        sig(&[SliceString, Str], &[Str]),
                        sig(&[SliceString], &[Str]),
                    ]
                },
            ),
            Self::IndexOf | Self::LastIndexOf => Overloads(TWO_TEXTS_TO_INT),
            Self::HasPrefix | Self::HasSuffix => Overloads(TWO_TEXTS_TO_BOOL),
            Self::Max => Types(|types| aggregated("max", types)),
            Self::Min => Types(|types| aggregated("min", types)),
            Self::Mean => Types(|types| aggregated("mean", types)),
            Self::Median => Types(|types| aggregated("median", types)),
            Self::FromJson => Overloads(const { &[sig(&[Str], &[Any])] }),
            Self::Now => Types(|types| match types {
                [] | [Some(Location)] => Ok(Time),
                types => Err(format!(
                    "invalid number of arguments (expected 0, got {})",
                    types.len()
                )),
            }),
            Self::Duration => Overloads(const { &[sig(&[Str], &[Duration, Error])] }),
            Self::Date => Types(|types| {
                let rest = match types {
                    [] => return Err("invalid number of arguments (expected at least 1, got 0)".to_owned()),
                    [Some(Location), rest @ ..] => rest,
                    all => all,
                };
                match rest.len() {
                    0..=3 => Ok(Time),
                    more => Err(format!(
                        "invalid number of arguments (expected at most 3, got {more})"
                    )),
                }
            }),
            Self::Timezone => Overloads(const { &[sig(&[Str], &[Location, Error])] }),
            Self::First => Types(|types| element("first", types)),
            Self::Last => Types(|types| element("last", types)),
            Self::Get => Check::Get,
            Self::Take => Types(|types| {
                let [list, count] = types else {
                    return Err(format!(
                        "invalid number of arguments (expected 2, got {})",
                        types.len()
                    ));
                };
                if !is_list_or_any(*list) {
                    return Err(format!("cannot take from {}", shown(*list)));
                }
                match kind(*count) {
                    Some(Kind::Interface | Kind::Int | Kind::Int64) => Ok(list.unwrap_or(Any)),
                    _ => Err(format!("cannot take {} elements", shown(*count))),
                }
            }),
            Self::Keys => Types(|types| of_map("cannot get keys from", "", types)),
            Self::Values => Types(|types| of_map("cannot get values from", "", types)),
            Self::ToPairs => Types(|types| of_map("cannot transform", " to pairs", types)),
            Self::FromPairs => Types(|types| {
                let ty = single(types)?;
                if is_list_or_any(ty) {
                    Ok(MapAnyAny)
                } else {
                    Err(format!("cannot transform {} from pairs", shown(ty)))
                }
            }),
            Self::Reverse => Types(|types| of_list("reverse", types)),
            Self::Uniq => Types(|types| of_list("uniq", types)),
            Self::Flatten => Types(|types| of_list("flatten", types)),
            Self::Concat => Types(|types| {
                if types.is_empty() {
                    return Err("invalid number of arguments (expected at least 1, got 0)".to_owned());
                }
                match types.iter().find(|ty| !is_list_or_any(**ty)) {
                    None => Ok(SliceAny),
                    Some(ty) => Err(format!("cannot concat {}", shown(*ty))),
                }
            }),
            Self::Sort => Overloads(
                const {
                    &[
                        sig(&[SliceAny, Str], &[SliceAny]),
                        sig(&[SliceInt, Str], &[SliceAny]),
                        sig(&[SliceFloat64, Str], &[SliceAny]),
                        sig(&[SliceString, Str], &[SliceAny]),
                        sig(&[SliceAny], &[SliceAny]),
                        sig(&[SliceFloat64], &[SliceAny]),
                        sig(&[SliceString], &[SliceAny]),
                        sig(&[SliceInt], &[SliceAny]),
                    ]
                },
            ),
            Self::BitAnd
            | Self::BitOr
            | Self::BitXor
            | Self::BitNand
            | Self::BitShl
            | Self::BitShr
            | Self::BitUshr => Overloads(TWO_INTS),
            Self::BitNot => Overloads(const { &[sig(&[Int], &[Int])] }),
        }
    }
}

fn single(types: &[Option<Type>]) -> Result<Option<Type>, String> {
    match types {
        [ty] => Ok(*ty),
        _ => Err(format!(
            "invalid number of arguments (expected 1, got {})",
            types.len()
        )),
    }
}

/// The kind behind a pointer.
fn kind(ty: Option<Type>) -> Option<Kind> {
    ty.map(|ty| ty.deref().kind())
}

fn is_number(ty: Option<Type>) -> bool {
    matches!(
        kind(ty),
        Some(Kind::Int | Kind::Int64 | Kind::Uint8 | Kind::Float64)
    )
}

fn is_number_or_any(ty: Option<Type>) -> bool {
    is_number(ty) || kind(ty) == Some(Kind::Interface)
}

fn is_list_or_any(ty: Option<Type>) -> bool {
    matches!(kind(ty), Some(Kind::Slice | Kind::Interface))
}

/// Go prints the type of nil as a failed format.
fn shown(ty: Option<Type>) -> String {
    ty.map_or_else(|| "nil".to_owned(), |ty| ty.to_string())
}

fn rounded(name: &str, types: &[Option<Type>]) -> Result<Type, String> {
    let ty = single(types)?;
    if is_number_or_any(ty) {
        Ok(Float64)
    } else {
        Err(format!("invalid argument for {name} (type {})", shown(ty)))
    }
}

fn converted(name: &str, to: Type, types: &[Option<Type>]) -> Result<Type, String> {
    let ty = single(types)?;
    if is_number_or_any(ty) || kind(ty) == Some(Kind::String) {
        Ok(to)
    } else {
        Err(format!("invalid argument for {name} (type {})", shown(ty)))
    }
}

/// After the first list or unknown argument nothing more is checked.
fn aggregated(name: &str, types: &[Option<Type>]) -> Result<Type, String> {
    for ty in types {
        if is_list_or_any(*ty) {
            return Ok(Any);
        }
        if !is_number(*ty) {
            return Err(format!("invalid argument for {name} (type {})", shown(*ty)));
        }
    }
    match types {
        [first, ..] => Ok(first.unwrap_or(Any)),
        [] => Err(format!("not enough arguments to call {name}")),
    }
}

fn element(name: &str, types: &[Option<Type>]) -> Result<Type, String> {
    let ty = single(types)?;
    match (kind(ty), ty) {
        (Some(Kind::Interface), _) => Ok(Any),
        (Some(Kind::Slice), Some(ty)) => Ok(ty.elem().unwrap_or(Any)),
        _ => Err(format!("cannot get {name} element from {}", shown(ty))),
    }
}

fn of_map(what: &str, end: &str, types: &[Option<Type>]) -> Result<Type, String> {
    let ty = single(types)?;
    match kind(ty) {
        Some(Kind::Interface | Kind::Map) => Ok(SliceAny),
        _ => Err(format!("{what} {}{end}", shown(ty))),
    }
}

fn of_list(verb: &str, types: &[Option<Type>]) -> Result<Type, String> {
    let ty = single(types)?;
    if is_list_or_any(ty) {
        Ok(SliceAny)
    } else {
        Err(format!("cannot {verb} {}", shown(ty)))
    }
}
