//! The headers of calls and answers, and cutting a stream's bytes into gob messages.

use std::sync::OnceLock;

use bytes::{Buf, BytesMut};
use gob::{Decoder, Encoded, Limits, Schema, Type};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A receive buffer larger than this is given back as soon as it is empty.
const KEPT_BUFFER: usize = 256 * 1024;

/// `net/rpc`, `Request`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Request {
    /// `Service.Method`.
    pub(crate) service_method: String,
    /// Chosen by the client.
    pub(crate) seq: u64,
}

/// `net/rpc`, `Response`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Response {
    /// Of the request.
    pub(crate) service_method: String,
    /// Of the request.
    pub(crate) seq: u64,
    /// Empty when the call succeeded.
    pub(crate) error: String,
}

/// Go's `struct{}`: what Ping and Quit answer, and what stands for the value in an answer that is an error
/// (`net/rpc`, `invalidRequest`).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Nothing {}

/// The types that go-plugin and net/rpc themselves send.
#[derive(Debug)]
pub(crate) struct Types {
    #[cfg(feature = "host")]
    pub(crate) request: Type,
    #[cfg(feature = "host")]
    pub(crate) boolean: Type,
    #[cfg(feature = "host")]
    pub(crate) string: Type,
    #[cfg(feature = "plugin")]
    pub(crate) response: Type,
    #[cfg(feature = "plugin")]
    pub(crate) nothing: Type,
    #[cfg(feature = "plugin")]
    pub(crate) uint32: Type,
}

impl Types {
    pub(crate) fn shared() -> &'static Self {
        static TYPES: OnceLock<Types> = OnceLock::new();
        TYPES.get_or_init(|| {
            let schema = Schema::parse(
                "type Request struct { ServiceMethod string; Seq uint64 }
                 type Response struct { ServiceMethod string; Seq uint64; Error string }
                 type Nothing struct {}",
            )
            .expect("the declarations above are Go");
            let ty = |name| schema.ty(name).expect("declared above, or basic").clone();
            Types {
                #[cfg(feature = "host")]
                request: ty("Request"),
                #[cfg(feature = "plugin")]
                response: ty("Response"),
                #[cfg(feature = "plugin")]
                nothing: ty("Nothing"),
                #[cfg(feature = "host")]
                boolean: ty("bool"),
                #[cfg(feature = "host")]
                string: ty("string"),
                #[cfg(feature = "plugin")]
                uint32: ty("uint32"),
            }
        })
    }
}

/// One direction of a stream: bytes in, gob values out.
pub(crate) struct Values {
    pub(crate) buffer: BytesMut,
    decoder: Decoder,
    limits: Limits,
}

impl Values {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            buffer: BytesMut::new(),
            decoder: Decoder::with_limits(limits.clone()),
            limits: limits.clone(),
        }
    }

    /// Hands the next complete value to `take`; `None` when more bytes have to come first.
    pub(crate) fn next<R>(
        &mut self,
        take: impl FnOnce(Encoded<'_, '_>) -> R,
    ) -> Result<Option<R>, gob::Error> {
        while let Some(body) = gob::frame(&self.buffer, &self.limits)? {
            let end = body.end;
            let Some(value) = self.decoder.message(&self.buffer[body])? else {
                self.advance(end);
                continue;
            };
            let taken = take(value);
            self.advance(end);
            return Ok(Some(taken));
        }
        Ok(None)
    }

    /// The next complete value as a header; `None` when more bytes have to come first.
    pub(crate) fn next_header<T: DeserializeOwned>(&mut self) -> Result<Option<T>, gob::Error> {
        #[allow(clippy::redundant_closure_for_method_calls)] // the method alone is for one lifetime only
        self.next(|value| value.deserialize()).and_then(Option::transpose)
    }

    fn advance(&mut self, count: usize) {
        self.buffer.advance(count);
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = BytesMut::new();
        }
    }
}
