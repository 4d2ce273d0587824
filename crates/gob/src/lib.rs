//! Go's [`encoding/gob`]: reading through serde, writing as Go types, and a dynamic value.
//!
//! A gob stream describes itself: before the first value of a type comes its definition. So *reading* needs no schema;
//! Go's fields meet Rust's by name. *Writing* needs the declarations that the Go side has, in Go's syntax, because
//! they decide what travels.
//!
//! ```
//! use gob::{Encoder, Reader, Schema};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
//! #[serde(rename_all = "PascalCase", default)]
//! struct VerifyWeightResponse {
//!     verified: i32,
//!     err: RpcError,
//! }
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
//! #[serde(rename_all = "PascalCase", default)]
//! struct RpcError {
//!     error_string: String,
//! }
//!
//! let schema = Schema::parse(
//!     "type RpcError struct { ErrorString string }
//!      type VerifyWeightResponse struct { Verified int32; Err RpcError }",
//! )?;
//! let answer = VerifyWeightResponse { verified: 1, ..Default::default() };
//!
//! let mut stream = Vec::new();
//! Encoder::new().encode(schema.ty("VerifyWeightResponse").unwrap(), &answer, &mut stream)?;
//!
//! let mut reader = Reader::new(&stream[..]);
//! assert_eq!(reader.next::<VerifyWeightResponse>()?, Some(answer));
//! # Ok::<(), gob::Error>(())
//! ```
//!
//! # The pieces
//! - [`frame`] finds the messages in a buffer, [`Decoder`] turns messages into values and keeps the types of a stream,
//!   [`Encoded`] is a value that waits to be read into a Rust type or a [`Value`]. None of them does IO.
//!   [`Reader`] puts them together for a blocking stream.
//! - [`Schema`] parses Go's declarations, [`Encoder`] appends messages to a buffer.
//!
//! One decoder and one encoder serve one direction of one stream for its whole life, because definitions travel once.
//!
//! # How Go's types meet Rust's
//!
//! | Go | reading into | writing from |
//! |---|---|---|
//! | `bool`, integers, floats | the same; an integer that does not fit is an error with the value | the same; checked against the width that the schema declares |
//! | `complex64`, `complex128` | `(f64, f64)` | a pair |
//! | `string` | `String`, `&str`; an enum by the variant's name; bytes if it is not UTF-8 | the same, also a unit variant |
//! | `[]byte`, opaque types | `&[u8]`, `serde_bytes`, `Vec<u8>`; text if it is UTF-8 | the same |
//! | slices, arrays | `Vec`, tuples, arrays of the right length | the same |
//! | maps | maps with any key | the same, or a struct where the keys are strings |
//! | structs | structs, maps with the field names as keys; `()` passes over it | structs, maps with strings as keys; `()` is zero |
//! | pointers | `Option`, or the thing itself | the same; `None` is nil |
//! | interfaces | an enum whose variants have the registered names; or the concrete thing, the name ignored; nil is `None` or `()` | an enum; a struct whose serde name is registered; Go's basic types; `None` |
//!
//! - serde's field names are Go's: write `#[serde(rename_all = "PascalCase")]` or `rename`. Embedded structs are a
//!   field with the type's name. A top-level struct that shares no field with its target is an error, as in Go.
//! - **Zero values do not travel**: a field that is zero is absent, so targets need `#[serde(default)]`, or `Option`.
//!   Structs and arrays are sent even if they are zero. A pointer to a zero number, string or bool travels like a nil
//!   pointer; that is Go's rule (`encoding/gob/doc.go`), which an `Option<i32>` of `Some(0)` shares.
//! - Unknown fields are passed over, whatever their type, without allocation.
//! - When writing, schema fields that the value lacks are zero; fields of the value that the schema lacks are an error.
//!   An empty map is written as nil, unless it is inside a `Some`.
//! - `GobEncoder`, `BinaryMarshaler` and `TextMarshaler` types are the bytes that their method returns. For Go's
//!   `time.Time` these are a version byte, seconds since year 1 (8 bytes), nanoseconds (4) and the zone in minutes (2).
//!
//! # Differences from Go
//! - All lengths, counts and depths are bounded by [`Limits`]; bytes after a value and a struct that lacks its end are
//!   errors, not ignored.
//! - Definitions of types in interface values are written before the value they occur in. Go's encoder cuts the value
//!   in two; both forms are read here and there.
//! - Integers may be read into any integer or float type that holds them, also of the other signedness.
//!
//! # Panics
//! There is no `unsafe` here, and no input makes this crate panic.
//!
//! [`encoding/gob`]: https://pkg.go.dev/encoding/gob

#![forbid(unsafe_code)]
#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the path of a method is not general enough where a closure for any lifetime is asked for"
)]

mod announce;
mod de;
mod decoder;
mod definition;
mod encoded;
mod encoder;
mod error;
mod frame;
mod limits;
mod reader;
mod schema;
mod ser;
mod table;
mod value;
mod walk;
mod wire;

pub use self::decoder::Decoder;
pub use self::encoded::Encoded;
pub use self::encoder::Encoder;
pub use self::error::Error;
pub use self::frame::frame;
pub use self::limits::Limits;
pub use self::reader::Reader;
pub use self::schema::{Schema, Type};
pub use self::value::Value;
