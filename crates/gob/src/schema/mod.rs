mod lexer;
mod parse;
mod resolve;
mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::Error;

pub(crate) use self::types::{Field, Kind, Method, Ref, Types};

/// Types as Go declares them, parsed from Go syntax.
///
/// What travels depends on the declaration and not on the value alone: the width of integers, which fields there are
/// and in which order, what is a pointer. So writing needs the declarations; reading does not.
///
/// ```
/// let schema = gob::Schema::parse(r#"
///     package v1alpha1
///
///     type MeasurementPhase string
///
///     type Measurement struct {
///         Phase      MeasurementPhase
///         Message    string            `json:"message"` // tags and comments are allowed
///         StartedAt  *metav1.Time
///         Metadata   map[string]string
///     }
///
///     // A type that travels as the bytes which its GobEncode, MarshalBinary or MarshalText returns:
///     type metav1.Time gob.GobEncoder
///
///     // The names under which types travel in interface values:
///     gob.RegisterName("RunArgs", RunArgs{})
///     type RunArgs struct { Measurement Measurement; Context any }
/// "#)?;
/// assert_eq!(schema.ty("Measurement").unwrap().to_string(), "v1alpha1.Measurement");
/// # Ok::<(), gob::Error>(())
/// ```
///
/// # What is understood
/// - `type T …`, `type ( … )`, aliases `type T = …`; types in any order, also recursive; comments; one
///   `package` clause (it is part of some type names on the wire, which no decoder looks at); `import` is skipped.
/// - basic types, `byte`, `rune`, pointers, slices, arrays, maps, structs with embedded fields and tags, interfaces
///   (all the same: `any`, `error`, `interface{ … }`).
/// - names of other packages with a dot; they are declared like any other (`type json.RawMessage []byte`).
/// - `type T gob.GobEncoder`, `type T encoding.BinaryMarshaler`, `type T encoding.TextMarshaler` declare an opaque
///   type. Go's `time.Time` is a `gob.GobEncoder`.
/// - `gob.RegisterName("name", T{})` registers a type; Go's own registrations (`int`, `string`, `[]string`, …) are
///   there already.
///
/// As in Go, fields that are not exported do not travel. Functions and channels are refused: leave such fields out.
#[derive(Clone)]
pub struct Schema {
    types: Arc<Types>,
    named: BTreeMap<String, Type>,
}

/// A declared type. It is cheap to clone, and keeps the declarations it belongs to.
#[derive(Clone)]
pub struct Type {
    pub(crate) types: Arc<Types>,
    pub(crate) ty: Ref,
}

impl Schema {
    /// Parses declarations.
    ///
    /// # Errors
    /// [`Error::Schema`] with the place: what Go's compiler would refuse, as far as it matters here, and what gob
    /// cannot send.
    pub fn parse(text: &str) -> Result<Schema, Error> {
        let declarations = parse::parse(text)?;
        let (types, names) = resolve::resolve(&declarations)?;
        let types = Arc::new(types);
        let named = names
            .into_iter()
            .map(|(name, ty)| {
                (
                    name,
                    Type {
                        types: types.clone(),
                        ty,
                    },
                )
            })
            .collect();
        Ok(Schema { types, named })
    }

    /// The type that the text declares under this name (as written there), or one of Go's basic types.
    #[must_use]
    pub fn ty(&self, name: &str) -> Option<&Type> {
        self.named.get(name)
    }

    /// Registers the type declared as `type_name` under `name`, as `gob.RegisterName(name, T{})` does.
    ///
    /// A [`Type`] that was cloned before does not know the new name.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if there is no such type, or if the name is empty or stands for another type.
    pub fn register(&mut self, name: &str, type_name: &str) -> Result<(), Error> {
        let Some(ty) = self.ty(type_name).map(|t| t.ty) else {
            return Err(Error::mismatch(format!(
                "register {name:?}: no type {type_name} is declared"
            )));
        };
        Arc::make_mut(&mut self.types)
            .register(name, ty)
            .map_err(Error::Mismatch)?;
        for ty in self.named.values_mut() {
            ty.types = self.types.clone();
        }
        Ok(())
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.named.keys()).finish()
    }
}

/// The type as Go prints it: `main.Point`, `map[string]*main.Point`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.types.describe(self.ty))
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Type({self})")
    }
}
