//! YAML files of a user, as JSON values.

use serde_json::Value;

/// The documents of a file. Everything typed is read from the JSON: the YAML reader is there once.
///
/// # Errors
/// The reader's message with the position.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, serde_saphyr::Error> {
    serde_saphyr::from_multiple(text)
}
