//! Telling the peer about types before their first value, as Go's encoder does: the same names, and the same ids in
//! the same order as in a Go process that encodes nothing else (`encoding/gob/type.go` and `encoder.go`).

use std::collections::HashMap;

use crate::schema::{Kind, Method, Ref, Types};
use crate::table::FIRST_USER_ID;
use crate::wire::{prefix_length, put_bytes, put_int, put_uint};

/// What one direction of one stream has been told.
pub(crate) struct Announced {
    types: HashMap<Key, Announcement>,
    next: i64,
    /// What was added since [`begin`](Self::begin), and the first id it took.
    added: Vec<Key>,
    first: i64,
}

/// A schema's uid, and the type's place there.
type Key = (u64, u32);

struct Announcement {
    /// Zero as long as the type is not complete.
    id: i64,
    name: String,
    sent: bool,
}

impl Announced {
    pub(crate) fn new() -> Self {
        Announced {
            types: HashMap::new(),
            next: FIRST_USER_ID,
            added: Vec::new(),
            first: FIRST_USER_ID,
        }
    }

    /// Begins what [`undo`](Self::undo) can take back.
    pub(crate) fn begin(&mut self) {
        self.added.clear();
        self.first = self.next;
    }

    /// Forgets what was announced since [`begin`](Self::begin).
    pub(crate) fn undo(&mut self) {
        for key in self.added.drain(..) {
            self.types.remove(&key);
        }
        self.next = self.first;
    }

    /// The id of a type; if it is new, appends its definition, and those of the types it consists of, to
    /// `definitions`.
    pub(crate) fn id(&mut self, types: &Types, ty: Ref, definitions: &mut Vec<u8>) -> i64 {
        if let Some(id) = builtin(types.kind(ty)) {
            return id;
        }
        if !self.types.contains_key(&(types.uid, ty.ty)) {
            self.number(types, ty);
            self.define(types, ty, definitions);
        }
        self.types[&(types.uid, ty.ty)].id
    }

    /// Gives ids to a type and what it consists of. Structs get theirs before their fields, lists and maps after their
    /// elements; the name is that of the first place where a type is met (`newTypeObject`).
    fn number(&mut self, types: &Types, root: Ref) {
        let mut open: Vec<(Ref, usize)> = Vec::new();
        let name = types.name(root).to_owned();
        self.meet(types, root, name, &mut open);
        while let Some((ty, next)) = open.last_mut() {
            let ty = *ty;
            let child = part(types, ty, *next);
            *next += 1;
            match child {
                Some(child) => {
                    let name = match types.kind(ty) {
                        Kind::Struct { .. } => match types.name(child) {
                            "" => types.describe(Ref { pointers: 0, ..child }),
                            name => name.to_owned(),
                        },
                        Kind::Slice { .. } if child.pointers == 0 => types.name(child).to_owned(),
                        _ => String::new(),
                    };
                    let is_struct = matches!(types.kind(ty), Kind::Struct { .. });
                    if !self.meet(types, child, name, &mut open) && is_struct {
                        // In a circle of structs and lists the element may be known, and lack its id.
                        self.assign(types, child);
                    }
                }
                None => {
                    open.pop();
                    self.assign(types, ty);
                    // The same in a circle of lists and maps.
                    for child in (0..).map_while(|n| part(types, ty, n)) {
                        self.assign(types, child);
                    }
                }
            }
        }
    }

    /// Begins with a type, if it is new.
    fn meet(&mut self, types: &Types, ty: Ref, name: String, open: &mut Vec<(Ref, usize)>) -> bool {
        let key = (types.uid, ty.ty);
        if builtin(types.kind(ty)).is_some() || self.types.contains_key(&key) {
            return false;
        }
        self.types.insert(
            key,
            Announcement {
                id: 0,
                name,
                sent: false,
            },
        );
        self.added.push(key);
        if let Kind::Struct { .. } | Kind::Opaque(_) = types.kind(ty) {
            self.assign(types, ty);
        }
        open.push((ty, 0));
        true
    }

    /// Gives a type its id, if it has none.
    fn assign(&mut self, types: &Types, ty: Ref) {
        if let Some(announcement) = self.types.get_mut(&(types.uid, ty.ty))
            && announcement.id == 0
        {
            announcement.id = self.next;
            self.next += 1;
        }
    }

    /// Writes the definitions: a type before its parts, in the order of the fields (`sendActualType`).
    fn define(&mut self, types: &Types, root: Ref, out: &mut Vec<u8>) {
        let mut waiting = vec![root];
        while let Some(ty) = waiting.pop() {
            let Some(announcement) = self.types.get_mut(&(types.uid, ty.ty)) else {
                continue;
            };
            if std::mem::replace(&mut announcement.sent, true) {
                continue;
            }
            let start = out.len();
            put_int(out, -announcement.id);
            self.wire_type(types, ty, out);
            prefix_length(out, start);
            let from = waiting.len();
            waiting.extend((0..).map_while(|n| part(types, ty, n)));
            waiting[from..].reverse();
        }
    }

    /// A value of Go's `wireType`: the one field that says the kind, and in it first the `CommonType`.
    fn wire_type(&mut self, types: &Types, ty: Ref, out: &mut Vec<u8>) {
        let kind = types.kind(ty);
        put_uint(out, wire_type_field(kind));
        let announcement = &self.types[&(types.uid, ty.ty)];
        put_uint(out, 1);
        if let (Kind::Opaque(_), 1..) = (kind, ty.pointers) {
            // Go makes another type object for a pointer to a GobEncoder, without a name (`buildTypeInfo`).
            common(out, "", self.next);
            self.next += 1;
        } else {
            common(out, &announcement.name, announcement.id);
        }
        match kind {
            Kind::Array { elem, len } => {
                put_uint(out, 1);
                put_int(out, self.known(types, *elem));
                if *len > 0 {
                    put_uint(out, 1);
                    put_int(out, *len as i64);
                }
            }
            Kind::Slice { elem } => {
                put_uint(out, 1);
                put_int(out, self.known(types, *elem));
            }
            Kind::Map { key, elem } => {
                put_uint(out, 1);
                put_int(out, self.known(types, *key));
                put_uint(out, 1);
                put_int(out, self.known(types, *elem));
            }
            Kind::Struct { fields } if !fields.is_empty() => {
                put_uint(out, 1);
                put_uint(out, fields.len() as u64);
                for field in fields {
                    put_uint(out, 1);
                    put_bytes(out, field.name.as_bytes());
                    put_uint(out, 1);
                    put_int(out, self.known(types, field.ty));
                    put_uint(out, 0);
                }
            }
            _ => {}
        }
        put_uint(out, 0);
        put_uint(out, 0);
    }

    fn known(&self, types: &Types, ty: Ref) -> i64 {
        builtin(types.kind(ty)).unwrap_or_else(|| self.types[&(types.uid, ty.ty)].id)
    }
}

fn common(out: &mut Vec<u8>, name: &str, id: i64) {
    if name.is_empty() {
        put_uint(out, 2);
    } else {
        put_uint(out, 1);
        put_bytes(out, name.as_bytes());
        put_uint(out, 1);
    }
    put_int(out, id);
    put_uint(out, 0);
}

/// The number of the field of `wireType`, counted from one because the count of a struct starts before its first.
fn wire_type_field(kind: &Kind) -> u64 {
    match kind {
        Kind::Array { .. } => 1,
        Kind::Slice { .. } => 2,
        Kind::Map { .. } => 4,
        Kind::Opaque(Method::GobEncode) => 5,
        Kind::Opaque(Method::MarshalBinary) => 6,
        Kind::Opaque(Method::MarshalText) => 7,
        // Builtin types are never defined.
        _ => 3,
    }
}

/// The types that both sides know.
fn builtin(kind: &Kind) -> Option<i64> {
    match kind {
        Kind::Bool => Some(1),
        Kind::Int { .. } => Some(2),
        Kind::Uint { .. } => Some(3),
        Kind::Float { .. } => Some(4),
        Kind::Bytes => Some(5),
        Kind::String => Some(6),
        Kind::Complex { .. } => Some(7),
        Kind::Interface => Some(8),
        Kind::Array { .. }
        | Kind::Slice { .. }
        | Kind::Map { .. }
        | Kind::Struct { .. }
        | Kind::Opaque(_) => None,
    }
}

/// The `n`th type that a type consists of.
fn part(types: &Types, ty: Ref, n: usize) -> Option<Ref> {
    match (types.kind(ty), n) {
        (Kind::Struct { fields }, _) => fields.get(n).map(|field| field.ty),
        (Kind::Array { elem, .. } | Kind::Slice { elem }, 0) => Some(*elem),
        (Kind::Map { key, .. }, 0) => Some(*key),
        (Kind::Map { elem, .. }, 1) => Some(*elem),
        _ => None,
    }
}
