//! Writing and reading whole streams.

use gob::{Encoder, Error, Reader, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What an encoder writes for one value of the type that `schema` declares under `ty`.
pub(crate) fn write<T: Serialize + ?Sized>(schema: &str, ty: &str, value: &T) -> Result<Vec<u8>, Error> {
    let schema = Schema::parse(schema)?;
    let mut stream = Vec::new();
    let ty = schema.ty(ty).unwrap_or_else(|| panic!("{ty} is not declared"));
    Encoder::new()
        .encode(ty, value, &mut stream)
        .inspect_err(|_| assert!(stream.is_empty()))?;
    Ok(stream)
}

/// The first value of a stream.
#[allow(dead_code, reason = "not every test reads")]
pub(crate) fn read<T: DeserializeOwned>(stream: &[u8]) -> Result<T, Error> {
    Ok(Reader::new(stream).next()?.expect("the stream has a value"))
}
