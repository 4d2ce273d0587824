//! Go's `string`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::go::utf8;

/// Bytes that are usually, but not always, UTF-8: a slice of a string may cut a character in two, and `fromBase64`
/// gives any bytes. One word wide, so that a [`Datum`](super::Datum) stays two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text(Arc<Box<[u8]>>);

impl Text {
    pub(crate) fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(Arc::new(bytes.into()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For messages: a byte that is not UTF-8 shows as U+FFFD.
    pub(crate) fn to_str(&self) -> Cow<'_, str> {
        utf8::lossy(&self.0)
    }
}

impl From<&str> for Text {
    fn from(s: &str) -> Self {
        Self::new(s.as_bytes())
    }
}

impl From<String> for Text {
    fn from(s: String) -> Self {
        Self::new(s.into_bytes())
    }
}

impl std::borrow::Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.to_str(), f)
    }
}
