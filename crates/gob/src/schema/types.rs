//! Declared types, resolved.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// The types of one schema.
#[derive(Clone)]
pub(crate) struct Types {
    /// Tells apart the types of different schemas that one encoder writes.
    pub(crate) uid: u64,
    defs: Vec<Def>,
    registered: HashMap<String, Ref>,
}

#[derive(Clone)]
struct Def {
    /// As declared, with the package where one is known; empty for a type without a name.
    name: String,
    kind: Kind,
    /// Bytes of the zero value; `u64::MAX` when it cannot be written.
    zero: u64,
}

/// A reference to a type, through pointers or not. Pointers are flattened, but what is left out when it is zero, and
/// the identity of types around it, depend on them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Ref {
    pub(crate) ty: u32,
    pub(crate) pointers: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Bool,
    Int { bits: u8 },
    Uint { bits: u8 },
    Float { bits: u8 },
    Complex { bits: u8 },
    Bytes,
    String,
    Interface,
    Array { elem: Ref, len: u64 },
    Slice { elem: Ref },
    Map { key: Ref, elem: Ref },
    Struct { fields: Vec<Field> },
    Opaque(Method),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Ref,
}

/// How the bytes of an opaque type come about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Method {
    GobEncode,
    MarshalBinary,
    MarshalText,
}

/// Basic types with Go's names, at fixed places.
const BASIC: [(&str, Kind); 19] = [
    ("bool", Kind::Bool),
    ("int", Kind::Int { bits: 64 }),
    ("int8", Kind::Int { bits: 8 }),
    ("int16", Kind::Int { bits: 16 }),
    ("int32", Kind::Int { bits: 32 }),
    ("int64", Kind::Int { bits: 64 }),
    ("uint", Kind::Uint { bits: 64 }),
    ("uint8", Kind::Uint { bits: 8 }),
    ("uint16", Kind::Uint { bits: 16 }),
    ("uint32", Kind::Uint { bits: 32 }),
    ("uint64", Kind::Uint { bits: 64 }),
    ("uintptr", Kind::Uint { bits: 64 }),
    ("float32", Kind::Float { bits: 32 }),
    ("float64", Kind::Float { bits: 64 }),
    ("complex64", Kind::Complex { bits: 32 }),
    ("complex128", Kind::Complex { bits: 64 }),
    ("string", Kind::String),
    ("interface {}", Kind::Interface),
    ("[]uint8", Kind::Bytes),
];

impl Ref {
    pub(crate) const UINT8: Ref = Ref { ty: 7, pointers: 0 };
    pub(crate) const FLOAT32: Ref = Ref { ty: 12, pointers: 0 };
    pub(crate) const FLOAT64: Ref = Ref { ty: 13, pointers: 0 };
    pub(crate) const INTERFACE: Ref = Ref { ty: 17, pointers: 0 };

    /// One of [`BASIC`], or a name Go has for one of them.
    pub(crate) fn basic(name: &str) -> Option<Ref> {
        let name = match name {
            "byte" => "uint8",
            "rune" => "int32",
            "any" | "error" => "interface {}",
            name => name,
        };
        let ty = BASIC.iter().position(|(basic, _)| *basic == name)?;
        Some(Ref {
            ty: ty as u32,
            pointers: 0,
        })
    }
}

impl Types {
    /// Go's basic types, with the names under which Go registers them and slices of them (`registerBasics` in
    /// `encoding/gob/type.go`).
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut types = Types {
            uid: NEXT.fetch_add(1, Ordering::Relaxed),
            defs: Vec::new(),
            registered: HashMap::new(),
        };
        for (name, kind) in BASIC {
            let go_name = if matches!(kind, Kind::Interface | Kind::Bytes) {
                ""
            } else {
                name
            };
            let ty = types.push(go_name.to_owned(), kind);
            if ty != Ref::INTERFACE {
                types.registered.insert(name.to_owned(), ty);
            }
        }
        for (n, (name, kind)) in BASIC.into_iter().enumerate() {
            if !matches!(name, "uint8" | "interface {}" | "[]uint8") {
                let elem = Ref {
                    ty: n as u32,
                    pointers: 0,
                };
                debug_assert_eq!(types.kind(elem), &kind);
                let list = types.push(String::new(), Kind::Slice { elem });
                types.registered.insert(format!("[]{name}"), list);
            }
        }
        types
    }

    /// The names of Go's basic types.
    pub(crate) fn basic_names() -> impl Iterator<Item = &'static str> {
        BASIC
            .iter()
            .map(|(name, _)| *name)
            .chain(["byte", "rune", "any", "error"])
    }

    pub(crate) fn push(&mut self, name: String, kind: Kind) -> Ref {
        self.defs.push(Def { name, kind, zero: 1 });
        Ref {
            ty: self.defs.len() as u32 - 1,
            pointers: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.defs.len()
    }

    pub(crate) fn set_kind(&mut self, ty: Ref, kind: Kind) {
        self.defs[ty.ty as usize].kind = kind;
    }

    pub(crate) fn set_zero(&mut self, ty: u32, bytes: u64) {
        self.defs[ty as usize].zero = bytes;
    }

    pub(crate) fn kind(&self, ty: Ref) -> &Kind {
        &self.defs[ty.ty as usize].kind
    }

    /// The bytes that the zero value takes; `None` if nobody knows them.
    pub(crate) fn zero(&self, ty: Ref) -> Option<u64> {
        let bytes = self.defs[ty.ty as usize].zero;
        (bytes != u64::MAX).then_some(bytes)
    }

    /// Whether a field of this type travels although it is zero: a struct or an array that is no pointer
    /// (`encOpFor` in `encoding/gob/encode.go`).
    pub(crate) fn always_travels(&self, ty: Ref) -> bool {
        ty.pointers == 0 && matches!(self.kind(ty), Kind::Struct { .. } | Kind::Array { .. })
    }

    pub(crate) fn registered(&self, name: &str) -> Option<Ref> {
        self.registered.get(name).copied()
    }

    pub(crate) fn registered_names(&self) -> impl Iterator<Item = &str> {
        self.registered.keys().map(String::as_str)
    }

    pub(crate) fn register(&mut self, name: &str, ty: Ref) -> Result<(), String> {
        if name.is_empty() {
            return Err("the empty name is that of the nil interface".to_owned());
        }
        if *self.kind(ty) == Kind::Interface {
            return Err(format!(
                "{name:?} cannot stand for an interface, only for a concrete type"
            ));
        }
        let ty = Ref { pointers: 0, ..ty };
        match self.registered.insert(name.to_owned(), ty) {
            Some(before) if before != ty => {
                let taken = self.describe(before);
                self.registered.insert(name.to_owned(), before);
                Err(format!("{name:?} already stands for {taken}"))
            }
            _ => Ok(()),
        }
    }

    /// The name without its package, as Go's `reflect.Type.Name`; empty for types without a name.
    pub(crate) fn name(&self, ty: Ref) -> &str {
        let name = &self.defs[ty.ty as usize].name;
        name.rsplit('.').next().unwrap_or(name)
    }

    /// The type as Go prints it (`reflect.Type.String`).
    pub(crate) fn describe(&self, ty: Ref) -> String {
        let mut text = String::new();
        self.describe_into(ty, &mut text);
        text
    }

    fn describe_into(&self, ty: Ref, text: &mut String) {
        text.extend(std::iter::repeat_n('*', ty.pointers.into()));
        let def = &self.defs[ty.ty as usize];
        if !def.name.is_empty() {
            text.push_str(&def.name);
            return;
        }
        match &def.kind {
            Kind::Array { elem, len } => {
                let _ = write!(text, "[{len}]");
                self.describe_into(*elem, text);
            }
            Kind::Slice { elem } => {
                text.push_str("[]");
                self.describe_into(*elem, text);
            }
            Kind::Map { key, elem } => {
                text.push_str("map[");
                self.describe_into(*key, text);
                text.push(']');
                self.describe_into(*elem, text);
            }
            Kind::Struct { fields } => {
                text.push_str("struct {");
                for (n, field) in fields.iter().enumerate() {
                    text.push_str(if n > 0 { "; " } else { " " });
                    text.push_str(&field.name);
                    text.push(' ');
                    self.describe_into(field.ty, text);
                }
                text.push_str(if fields.is_empty() { "}" } else { " }" });
            }
            Kind::Interface => text.push_str("interface {}"),
            Kind::Bytes => text.push_str("[]uint8"),
            // All others have names.
            _ => {}
        }
    }
}
