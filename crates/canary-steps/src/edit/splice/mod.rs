//! One field of one object changed in the text of a document, all other bytes kept.
//!
//! Every change is proved: the new text is read again and must mean the old value with that one field changed. A field
//! that a merge provides gets a key of its own behind the merge. Where the text cannot be changed at the field itself –
//! the field comes from an alias, or is to go although a merge provides it, or stands in a form too odd to touch – the
//! smallest node around it that can be is written anew, on one line.

mod edits;
pub(super) mod lines;
mod proof;
#[cfg(test)]
mod tests;
mod trail;

use serde_json::{Map, Value};

use super::tree::{ReadError, Tree};
use super::{emit, value};
use edits::{in_place, value_range, write};
use proof::only_the_field_differs;
use trail::{Trail, select};

/// A field of an object and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Keys from the object down to the field.
    pub path: Vec<String>,
    /// The new value; `None` deletes the key.
    pub to: Option<Value>,
}

/// Why a change could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpliceError {
    /// The document cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The document can be read but means nothing to Kubernetes.
    #[error("{0}")]
    Meaning(String),
    /// No way of writing the change gave the right value.
    #[error("{path} cannot be changed in this text")]
    Unwritable {
        /// The field, with dots.
        path: String,
    },
}

/// Applies a change to the object of a document that holds one.
///
/// # Errors
/// [`SpliceError`]; the text is then untouched.
pub fn change(text: &str, change: &Change) -> Result<String, SpliceError> {
    value::resolve(&Tree::parse(text)?).map_err(SpliceError::Meaning)?;
    apply(text, &[], change)
}

/// Applies a change to the object at `object` (indices of `items`, outermost first) of a document.
///
/// Text that already means the wanted value is returned as it is. The document must mean something: [`super::read`] of
/// it succeeds.
///
/// # Errors
/// [`SpliceError`]; the text is then untouched.
pub(crate) fn apply(text: &str, object: &[usize], change: &Change) -> Result<String, SpliceError> {
    let tree = Tree::parse(text)?;
    let trail = Trail::walk(&tree, object, &change.path);
    let name = change.path.last().expect("a change names a field");
    // Most changes are at the field itself and are proved by a look at both trees.
    let quick = in_place(&tree, text, &trail, change).map(|edits| write(&tree, text, edits));
    let quick = quick.filter(|candidate| {
        Tree::parse(candidate)
            .is_ok_and(|new| only_the_field_differs(&tree, &trail, name, change.to.as_ref(), &new))
    });
    let is_already = || {
        let (_, node) = trail.field?;
        Some(value::resolve_node(&tree, node).ok()? == *change.to.as_ref()?)
    };
    match quick {
        Some(_) if is_already() == Some(true) => Ok(text.to_owned()),
        Some(candidate) => Ok(candidate),
        None => apply_resolved(text, &tree, &trail, object, change),
    }
}

/// The same for all other documents: what they mean is compared as a whole.
fn apply_resolved(
    text: &str,
    tree: &Tree<'_>,
    trail: &Trail,
    object: &[usize],
    change: &Change,
) -> Result<String, SpliceError> {
    let before = value::resolve(tree).map_err(SpliceError::Meaning)?;
    let mut wanted = before.clone();
    let in_object = object_mut(&mut wanted, object).is_some_and(|o| set(o, &change.path, change.to.as_ref()));
    if wanted == before {
        return Ok(text.to_owned());
    }
    let unwritable = || SpliceError::Unwritable {
        path: change.path.join("."),
    };
    if !in_object {
        return Err(unwritable());
    }

    let means = |candidate: &str| {
        Tree::parse(candidate).is_ok_and(|tree| value::resolve(&tree).is_ok_and(|value| value == wanted))
    };
    let in_place = in_place(tree, text, trail, change).into_iter();
    let anew = trail.around.iter().rev().filter_map(|place| {
        let value = select(&wanted, &place.path)?;
        Some(vec![(
            value_range(tree, text, place.node, place.key),
            emit::flow(value),
        )])
    });
    in_place
        .chain(anew)
        .map(|edits| write(tree, text, edits))
        .find(|candidate| means(candidate))
        .ok_or_else(unwritable)
}

fn object_mut<'v>(value: &'v mut Value, object: &[usize]) -> Option<&'v mut Value> {
    object
        .iter()
        .try_fold(value, |v, index| v.get_mut("items")?.get_mut(*index))
}

/// Sets or deletes a field; says whether the way to it is made of mappings.
fn set(object: &mut Value, path: &[String], to: Option<&Value>) -> bool {
    let (field, parents) = path.split_last().expect("a change names a field");
    let mut at = object;
    for key in parents {
        let Value::Object(map) = at else {
            return false;
        };
        if to.is_none() && !map.contains_key(key) {
            return true;
        }
        at = map.entry(key.clone()).or_insert(Value::Null);
        if at.is_null() && to.is_some() {
            *at = Value::Object(Map::new());
        }
    }
    match (at, to) {
        (Value::Object(map), Some(new)) => {
            map.insert(field.clone(), new.clone());
            true
        }
        (Value::Object(map), None) => {
            map.remove(field);
            true
        }
        (Value::Null, None) => true,
        _ => false,
    }
}
