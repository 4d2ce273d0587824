//! What a plugin offers: receivers of net/rpc calls behind the names a host dispenses.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures::future::BoxFuture;
use gob::{Encoded, Encoder, Type};
use serde::{Serialize, Serializer, ser::Error};

/// The answer of a call, to come: a [`Reply`], or the text of net/rpc's `Response.Error`.
pub type Answer = BoxFuture<'static, Result<Reply, String>>;

/// A net/rpc receiver: what go-plugin's `Plugin.Server` returns. The host calls it as `Plugin.<method>`
/// (`rpc_server.go`, `serve`).
///
/// ```
/// use go_plugin::{Answer, CallError, Reply, Service};
///
/// struct Greeter {
///     string: gob::Type,
/// }
///
/// impl Service for Greeter {
///     fn call(&self, method: &str, argument: gob::Encoded<'_, '_>) -> Result<Answer, CallError> {
///         match method {
///             "Greet" => {
///                 let name: String = argument.deserialize()?;
///                 let string = self.string.clone();
///                 Ok(Box::pin(async move { Ok(Reply::new(&string, format!("hello {name}"))) }))
///             }
///             _ => Err(CallError::UnknownMethod),
///         }
///     }
/// }
/// ```
pub trait Service: Send + Sync + 'static {
    /// Decodes the argument of one call and returns the future that answers it.
    ///
    /// This runs on the task that reads the stream, since gob's messages only make sense in the order in which they
    /// came; it must neither block nor work for long. The future runs elsewhere, beside all other calls, under the
    /// server's deadline; when it panics, its call alone is answered with an error, and so it is when this panics.
    fn call(&self, method: &str, argument: Encoded<'_, '_>) -> Result<Answer, CallError>;
}

/// Why a call was refused before it ran. It is answered with an error; the stream and its other calls go on
/// (`net/rpc`, `Server.ServeCodec`).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such method. The host reads `rpc: can't find method Plugin.<method>`, as Go says it.
    #[error("can't find method")]
    UnknownMethod,
    /// The argument is not what the method takes.
    #[error("cannot decode the argument: {0}")]
    Argument(String),
}

impl From<gob::Error> for CallError {
    fn from(error: gob::Error) -> Self {
        Self::Argument(error.to_string())
    }
}

/// The value a call is answered with: it is written as `ty` says by the stream's encoder, when its turn comes.
pub struct Reply {
    encode: Encode,
}

type Encode = Box<dyn FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), gob::Error> + Send>;

impl Reply {
    /// A reply of the Go type `ty`. A value that does not fit the type fails the call with an error that names the
    /// method.
    pub fn new<T: Serialize + Send + 'static>(ty: &Type, value: T) -> Self {
        let ty = ty.clone();
        Self {
            encode: Box::new(move |encoder, out| encoder.encode(&ty, &Caught(&value), out)),
        }
    }

    /// Appends the value's messages to `out`, and nothing when that fails.
    pub(crate) fn encode(self, encoder: &mut Encoder, out: &mut Vec<u8>) -> Result<(), gob::Error> {
        (self.encode)(encoder, out)
    }
}

/// A value whose panic while it is written is an error, so that the encoder still knows what it has said.
struct Caught<'a, T>(&'a T);

impl<T: Serialize> Serialize for Caught<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        catch_unwind(AssertUnwindSafe(|| self.0.serialize(serializer)))
            .unwrap_or_else(|panic| Err(S::Error::custom(panic_text(panic.as_ref()))))
    }
}

/// What a panic says, as far as it is text.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the plugin panicked: {}", text.unwrap_or("no text"))
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}
