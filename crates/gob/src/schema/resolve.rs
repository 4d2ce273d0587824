//! From declarations to types: names are looked up, and types without a name are made one where they are the same.

use std::collections::{BTreeMap, HashMap};

use super::lexer::Place;
use super::parse::{Declaration, Declarations, Definition, Expr, FieldExpr};
use super::types::{Field, Kind, Ref, Types};
use crate::Error;

/// How far types refer to each other by value, or by name alone. Go's compiler finds the circles; here a bound does.
const DEEPEST: usize = 128;

/// The types, and the names they are declared under.
pub(super) fn resolve(declarations: &Declarations) -> Result<(Types, BTreeMap<String, Ref>), Error> {
    let mut resolver = Resolver::declare(declarations)?;
    for declaration in &declarations.types {
        let kind = match &declaration.definition {
            Definition::Type(expr) => resolver.underlying(expr, 0)?,
            Definition::Opaque(method) => Kind::Opaque(*method),
            Definition::Alias(_) => continue,
        };
        let ty = resolver.name(&declaration.name, declaration.place, 0)?;
        resolver.types.set_kind(ty, kind);
    }
    let mut names = BTreeMap::new();
    for name in Types::basic_names() {
        names.extend(Ref::basic(name).map(|ty| (name.to_owned(), ty)));
    }
    for declaration in &declarations.types {
        let ty = resolver.name(&declaration.name, declaration.place, 0)?;
        names.insert(declaration.name.clone(), ty);
    }
    for (name, expr, place) in &declarations.registered {
        let ty = resolver.expr(expr, 0)?;
        resolver
            .types
            .register(name, ty)
            .map_err(|message| place.error(message))?;
    }
    let mut types = resolver.types;
    measure_zeros(&mut types, declarations, &names)?;
    Ok((types, names))
}

struct Resolver<'d> {
    types: Types,
    package: &'d str,
    declared: HashMap<&'d str, (&'d Declaration, Ref)>,
    unnamed: HashMap<Kind, Ref>,
}

impl<'d> Resolver<'d> {
    /// Gives each declared type its place, so that types can refer to each other in any order.
    fn declare(declarations: &'d Declarations) -> Result<Self, Error> {
        let types = Types::new();
        let mut unnamed = HashMap::new();
        for ty in 0..types.len() {
            let ty = Ref {
                ty: ty as u32,
                pointers: 0,
            };
            if types.name(ty).is_empty() {
                unnamed.insert(types.kind(ty).clone(), ty);
            }
        }
        let package = &declarations.package;
        let mut this = Resolver {
            types,
            package,
            declared: HashMap::new(),
            unnamed,
        };
        for declaration in &declarations.types {
            let name = declaration.name.as_str();
            if Ref::basic(name).is_some() {
                return Err(declaration
                    .place
                    .error(format!("{name} is one of Go's own types")));
            }
            let ty = match declaration.definition {
                Definition::Alias(_) => Ref::INTERFACE,
                _ => this.types.push(this.qualified(name), Kind::Interface),
            };
            if this.declared.insert(name, (declaration, ty)).is_some() {
                return Err(declaration.place.error(format!("{name} is declared twice")));
            }
        }
        Ok(this)
    }

    fn qualified(&self, name: &str) -> String {
        if self.package.is_empty() || name.contains('.') {
            return name.to_owned();
        }
        format!("{}.{name}", self.package)
    }

    fn name(&mut self, name: &str, place: Place, depth: usize) -> Result<Ref, Error> {
        match self.declared.get(name) {
            Some((
                Declaration {
                    definition: Definition::Alias(expr),
                    ..
                },
                _,
            )) => self.expr(expr, depth + 1),
            Some((_, ty)) => Ok(*ty),
            None => Ref::basic(name).ok_or_else(|| place.error(format!("type {name} is not declared"))),
        }
    }

    fn expr(&mut self, expr: &Expr, depth: usize) -> Result<Ref, Error> {
        if depth > DEEPEST {
            return Err(place_of(expr).error("a type that consists of itself, or of too many others"));
        }
        match expr {
            Expr::Name(name, place) => self.name(name, *place, depth),
            Expr::Pointer(to) => {
                let to = self.expr(to, depth + 1)?;
                Ok(Ref {
                    pointers: to.pointers.saturating_add(1),
                    ..to
                })
            }
            _ => {
                let kind = self.underlying(expr, depth)?;
                if let Some(&ty) = self.unnamed.get(&kind) {
                    return Ok(ty);
                }
                let ty = self.types.push(String::new(), kind.clone());
                self.unnamed.insert(kind, ty);
                Ok(ty)
            }
        }
    }

    /// What a type consists of, whatever its name.
    fn underlying(&mut self, expr: &Expr, depth: usize) -> Result<Kind, Error> {
        if depth > DEEPEST {
            return Err(place_of(expr).error("a type that consists of itself, or of too many others"));
        }
        let depth = depth + 1;
        match expr {
            Expr::Name(name, place) => match self.declared.get(name.as_str()) {
                Some((declaration, _)) => match &declaration.definition {
                    Definition::Type(expr) | Definition::Alias(expr) => self.underlying(expr, depth),
                    Definition::Opaque(_) => Err(place.error(format!(
                        "a type declared as {name} has not its methods: declare it as an opaque type too"
                    ))),
                },
                None => self
                    .name(name, *place, depth)
                    .map(|ty| self.types.kind(ty).clone()),
            },
            Expr::Pointer(to) => Err(place_of(to).error("a pointer with a name: declare what it points to")),
            Expr::Interface => Ok(Kind::Interface),
            Expr::Slice(elem) if self.is_byte(elem) => Ok(Kind::Bytes),
            Expr::Slice(elem) => Ok(Kind::Slice {
                elem: self.expr(elem, depth)?,
            }),
            Expr::Array(len, elem) => Ok(Kind::Array {
                elem: self.expr(elem, depth)?,
                len: *len,
            }),
            Expr::Map(key, elem) => Ok(Kind::Map {
                key: self.expr(key, depth)?,
                elem: self.expr(elem, depth)?,
            }),
            Expr::Struct(fields) => self.fields(fields, depth),
        }
    }

    /// The exported fields (`isSent` in `encoding/gob/type.go`).
    fn fields(&mut self, all: &[FieldExpr], depth: usize) -> Result<Kind, Error> {
        let mut fields: Vec<Field> = Vec::with_capacity(all.len());
        for FieldExpr { name, place, expr } in all {
            if !name.starts_with(char::is_uppercase) {
                continue;
            }
            if fields.iter().any(|field| field.name == *name) {
                return Err(place.error(format!("field {name} is declared twice")));
            }
            fields.push(Field {
                name: name.clone(),
                ty: self.expr(expr, depth)?,
            });
        }
        match all.first() {
            Some(first) if fields.is_empty() => Err(first
                .place
                .error("a struct without an exported field cannot be sent")),
            _ => Ok(Kind::Struct { fields }),
        }
    }

    /// Slices of bytes, also of bytes with another name, have a kind of their own.
    fn is_byte<'e>(&'e self, mut expr: &'e Expr) -> bool {
        for _ in 0..DEEPEST {
            let Expr::Name(name, _) = expr else { return false };
            match self.declared.get(name.as_str()) {
                None => return Ref::basic(name) == Some(Ref::UINT8),
                Some((declaration, _)) => match &declaration.definition {
                    Definition::Type(to) | Definition::Alias(to) => expr = to,
                    Definition::Opaque(_) => return false,
                },
            }
        }
        false
    }
}

/// The first name in it.
fn place_of(expr: &Expr) -> Place {
    match expr {
        Expr::Name(_, place) => *place,
        Expr::Pointer(to) | Expr::Slice(to) | Expr::Array(_, to) | Expr::Map(_, to) => place_of(to),
        Expr::Struct(fields) => fields.first().map_or(Place::START, |field| field.place),
        Expr::Interface => Place::START,
    }
}

/// Computes how long the zero value of each type is, which also finds types that contain themselves.
fn measure_zeros(
    types: &mut Types,
    declarations: &Declarations,
    names: &BTreeMap<String, Ref>,
) -> Result<(), Error> {
    let mut known = vec![None; types.len()];
    let declared = declarations.types.iter().map(|d| (names[&d.name], d.place));
    // Types without a name contain themselves only through one with a name, which comes first.
    let unnamed = (0..types.len()).map(|ty| {
        (
            Ref {
                ty: ty as u32,
                pointers: 0,
            },
            Place::START,
        )
    });
    for (ty, place) in declared.chain(unnamed) {
        if zero(types, ty, &mut known, 0).is_none() {
            return Err(place.error("a type that contains itself, or too many others inside each other"));
        }
    }
    for (ty, bytes) in known.into_iter().enumerate() {
        types.set_zero(ty as u32, bytes.unwrap_or(1));
    }
    Ok(())
}

/// The length of the zero value, `u64::MAX` if nobody knows it, `None` if there is no end to it.
fn zero(types: &Types, ty: Ref, known: &mut [Option<u64>], depth: usize) -> Option<u64> {
    if depth > DEEPEST {
        return None;
    }
    if let Some(bytes) = known[ty.ty as usize] {
        return Some(bytes);
    }
    let bytes = match types.kind(ty) {
        Kind::Opaque(_) => u64::MAX,
        Kind::Complex { .. } => 2,
        Kind::Array { len: 0, .. } => 1,
        Kind::Array { elem, .. } if elem.pointers > 0 => u64::MAX,
        Kind::Array { elem, len } => zero(types, *elem, known, depth + 1)?
            .saturating_mul(*len)
            .saturating_add(9),
        Kind::Struct { fields } => {
            let mut sum = 1_u64;
            for field in fields.iter().filter(|field| types.always_travels(field.ty)) {
                // Three bytes hold the field number.
                sum = sum
                    .saturating_add(zero(types, field.ty, known, depth + 1)?)
                    .saturating_add(3);
            }
            sum
        }
        _ => 1,
    };
    known[ty.ty as usize] = Some(bytes);
    Some(bytes)
}
