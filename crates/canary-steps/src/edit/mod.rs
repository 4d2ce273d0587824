//! Finding Rollouts in manifests and changing their fields, byte for byte elsewhere. No IO.

mod append;
mod document;
mod emit;
mod json;
mod manifests;
mod ordinary;
mod parallel;
mod rollout;
mod scalar;
mod splice;
mod tree;
mod value;

pub use append::append;
pub use document::{Document, Form, SplitError, split};
pub use emit::yaml;
pub use json::{yaml_safe, yaml_safe_documents};
pub use manifests::{
    Found, Manifest, Unread, WriteError, any_object, find, names_of, read, workload_images, write,
};
pub use rollout::{Rollout, Strategy, WorkloadRef};
pub use splice::{Change, SpliceError, change};
pub use tree::ReadError;

/// For the fuzzer: whether the reader of ordinary documents, where it takes one, makes the parser's tree of it.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn readers_agree(text: &str) -> bool {
    ordinary::read(text).is_none_or(|tree| tree::Tree::parse_any(text) == Ok(tree))
}
