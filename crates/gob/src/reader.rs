use std::io::{self, Read};

use serde::de::DeserializeOwned;

use crate::{Decoder, Encoded, Error, Limits, Value, frame};

/// A blocking convenience over [`frame`] and [`Decoder`]: the values of a stream, one after the other.
///
/// ```
/// // The int 3 and the string "hi", as Go writes them.
/// let stream = [3, 4, 0, 6, 5, 12, 0, 2, b'h', b'i'];
/// let mut reader = gob::Reader::new(&stream[..]);
/// assert_eq!(reader.next::<i32>()?, Some(3));
/// assert_eq!(reader.next::<String>()?, Some("hi".to_owned()));
/// assert_eq!(reader.next::<i32>()?, None);
/// # Ok::<(), gob::Error>(())
/// ```
pub struct Reader<R> {
    stream: R,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// Where the bytes begin that no message was taken from yet.
    start: usize,
}

impl<R: Read> Reader<R> {
    /// Reads from `stream` with the default [`Limits`]. It reads ahead, so `stream` needs no buffer of its own.
    pub fn new(stream: R) -> Self {
        Self::with_limits(stream, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(stream: R, limits: Limits) -> Self {
        Reader {
            stream,
            decoder: Decoder::with_limits(limits),
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The next value; `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of the stream ([`Error::Io`]; also when it ends inside a value), of [`Decoder::message`] and of
    /// [`Encoded::deserialize`].
    #[expect(
        clippy::should_implement_trait,
        reason = "each value has a type of its own, and may fail"
    )]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        self.next_with(|encoded| encoded.deserialize())
    }

    /// The next value, whatever its type.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn next_value(&mut self) -> Result<Option<Value>, Error> {
        self.next_with(|encoded| encoded.value())
    }

    fn next_with<T>(
        &mut self,
        read: impl FnOnce(Encoded<'_, '_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut inside = false;
        loop {
            let Some(body) = frame(&self.buffer[self.start..], self.decoder.limits())? else {
                if self.fill()? {
                    continue;
                }
                if inside || self.start < self.buffer.len() {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                return Ok(None);
            };
            let start = self.start;
            self.start += body.end;
            let body = &self.buffer[start..][body];
            match self.decoder.message(body)? {
                None => inside = true,
                Some(encoded) => return read(encoded).map(Some),
            }
        }
    }

    /// Reads what is there, into memory that grows with what has arrived and not with what is announced.
    fn fill(&mut self) -> Result<bool, Error> {
        const CHUNK: usize = 16 << 10;
        self.buffer.drain(..self.start);
        self.start = 0;
        let end = self.buffer.len();
        self.buffer.resize(end + CHUNK, 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[end..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(end + read.as_ref().map_or(0, |&n| n));
        Ok(read? > 0)
    }
}
