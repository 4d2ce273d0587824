//! What a plugin answers when it cannot do what was asked.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An error as the controller shows it: one sentence in the Rollout's events and conditions.
///
/// Go: `utils/plugin/types` `RpcError`. An empty text means success there, so an `RpcError` built from an empty text
/// says that the plugin gave none instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError(String);

/// The answer of a call that has nothing else to say.
pub type RpcResult<T = ()> = Result<T, RpcError>;

impl RpcError {
    /// An error with this sentence: lower case, no final dot, naming the object and the field.
    pub fn new(sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        match sentence.trim().is_empty() {
            true => Self("the plugin failed without saying why".to_owned()),
            false => Self(sentence),
        }
    }

    /// An error and its causes, joined by colons.
    pub fn chain(error: &(dyn Error + 'static)) -> Self {
        let mut sentence = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            sentence.push_str(": ");
            sentence.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(sentence)
    }

    /// The sentence.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for RpcError {}

impl From<String> for RpcError {
    fn from(sentence: String) -> Self {
        Self::new(sentence)
    }
}

impl From<&str> for RpcError {
    fn from(sentence: &str) -> Self {
        Self::new(sentence)
    }
}

/// `RpcError` on the wire: no text is success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RpcErrorWire {
    #[serde(rename = "ErrorString")]
    pub(crate) error_string: String,
}

impl RpcErrorWire {
    pub(crate) fn from_result(result: &RpcResult) -> Self {
        Self {
            error_string: result
                .as_ref()
                .err()
                .map(|error| error.0.clone())
                .unwrap_or_default(),
        }
    }

    #[cfg_attr(not(feature = "host"), allow(dead_code))]
    pub(crate) fn into_result(self) -> RpcResult {
        match self.error_string.is_empty() {
            true => Ok(()),
            false => Err(RpcError(self.error_string)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_error_is_still_an_error() {
        for empty in ["", "  \n"] {
            let wire = RpcErrorWire::from_result(&Err(RpcError::new(empty)));
            assert!(wire.into_result().is_err(), "{empty:?}");
        }
        assert_eq!(RpcErrorWire::from_result(&Ok(())).error_string, "");
    }

    #[test]
    fn a_chain_names_every_cause() {
        #[derive(Debug)]
        struct Outer(RpcError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("route shop/web: cannot be read")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Outer(RpcError::new("connection refused"));
        assert_eq!(
            RpcError::chain(&error).as_str(),
            "route shop/web: cannot be read: connection refused"
        );
    }
}
