use crate::announce::Announced;
use crate::schema::{Kind, Ref, Types};
use crate::wire::{put_bytes, put_int, put_uint};
use crate::{Error, Limits};

/// Where values are written to, and what is known while they are.
pub(crate) struct Writer<'t> {
    pub(super) types: &'t Types,
    announced: &'t mut Announced,
    definitions: &'t mut Vec<u8>,
    pub(super) out: &'t mut Vec<u8>,
    limits: &'t Limits,
    /// The fields written of the structs that are open, the innermost last.
    pub(super) fields: Vec<FieldSpan>,
    depth: usize,
}

/// A field that was written: its number, and where its value stands.
#[derive(Clone, Copy)]
pub(super) struct FieldSpan {
    pub(super) number: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Where one value goes.
pub(crate) struct Slot<'w, 't> {
    pub(super) writer: &'w mut Writer<'t>,
    pub(super) ty: Ref,
    /// A zero value is written too: elements of lists and maps, top-level values, contents of interface values.
    pub(super) send_zero: bool,
    /// The value was inside a `Some`, so an empty map is a map that is not nil.
    pub(super) present: bool,
}

impl<'t> Writer<'t> {
    pub(crate) fn new(
        types: &'t Types,
        announced: &'t mut Announced,
        definitions: &'t mut Vec<u8>,
        out: &'t mut Vec<u8>,
        limits: &'t Limits,
    ) -> Self {
        Writer {
            types,
            announced,
            definitions,
            out,
            limits,
            fields: Vec::new(),
            depth: 0,
        }
    }

    pub(crate) fn top_level(&mut self, ty: Ref) -> Slot<'_, 't> {
        self.element(ty)
    }

    /// A value that travels also when it is zero.
    pub(super) fn element(&mut self, ty: Ref) -> Slot<'_, 't> {
        Slot {
            writer: self,
            ty,
            send_zero: true,
            present: false,
        }
    }

    /// A value that is left out when it is zero.
    pub(super) fn field(&mut self, ty: Ref) -> Slot<'_, 't> {
        Slot {
            writer: self,
            ty,
            send_zero: false,
            present: false,
        }
    }

    pub(super) fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        self.limits.check_depth(self.depth)
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Writes the head of an interface value of the type registered under `name`: the name and the type's id.
    pub(super) fn open_interface(&mut self, name: &str) -> Result<OpenInterface, Error> {
        let Some(ty) = self.types.registered(name) else {
            let mut names: Vec<&str> = self
                .types
                .registered_names()
                .filter(|n| is_user_name(n))
                .collect();
            names.sort_unstable();
            return Err(Error::mismatch(format!(
                "no type is registered under the name {name:?}; registered are {names:?} and Go's basic types"
            )));
        };
        self.enter()?;
        put_bytes(self.out, name.as_bytes());
        let id = self.announced.id(self.types, ty, self.definitions);
        put_int(self.out, id);
        let start = self.out.len();
        if !matches!(self.types.kind(ty), Kind::Struct { .. }) {
            put_uint(self.out, 0);
        }
        Ok(OpenInterface { ty, start })
    }

    pub(super) fn close_interface(&mut self, interface: &OpenInterface) {
        crate::wire::prefix_length(self.out, interface.start);
        self.leave();
    }

    /// Writes the zero value, as in a list.
    pub(super) fn zero(&mut self, ty: Ref) -> Result<(), Error> {
        match self.types.zero(ty) {
            Some(bytes) => self.limits.check_message(bytes)?,
            None => {
                let ty = self.types.describe(ty);
                return Err(Error::mismatch(format!(
                    "the zero value of {ty} is not known: give the value"
                )));
            }
        }
        self.known_zero(ty);
        Ok(())
    }

    fn known_zero(&mut self, ty: Ref) {
        let types = self.types;
        match types.kind(ty) {
            Kind::Complex { .. } => self.out.extend_from_slice(&[0, 0]),
            Kind::Array { elem, len } => {
                put_uint(self.out, *len);
                for _ in 0..*len {
                    self.known_zero(*elem);
                }
            }
            Kind::Struct { fields } => {
                let mut last = -1;
                for (number, field) in fields.iter().enumerate() {
                    if types.always_travels(field.ty) {
                        put_uint(self.out, (number as isize - last) as u64);
                        last = number as isize;
                        self.known_zero(field.ty);
                    }
                }
                put_uint(self.out, 0);
            }
            _ => put_uint(self.out, 0),
        }
    }
}

fn is_user_name(name: &str) -> bool {
    Ref::basic(name.trim_start_matches("[]")).is_none()
}

/// An interface value whose content is being written.
pub(super) struct OpenInterface {
    pub(super) ty: Ref,
    /// Where the content begins.
    start: usize,
}
