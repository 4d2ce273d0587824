use std::ops::Range;

use crate::wire::Cursor;
use crate::{Error, Limits};

/// The body of the first complete message in `buf`, without its length prefix; `None` when more bytes are needed.
///
/// The body goes to [`Decoder::message`](crate::Decoder::message), and the next message begins at the range's end.
/// Source: `encoding/gob/decoder.go`, `recvMessage`.
///
/// ```
/// let limits = gob::Limits::default();
/// assert_eq!(gob::frame(&[3, 4, 0], &limits)?, None);
/// assert_eq!(gob::frame(&[3, 4, 0, 6, 3], &limits)?, Some(1..4));
/// # Ok::<(), gob::Error>(())
/// ```
///
/// # Errors
/// [`Error::Limit`] as soon as the announced length exceeds `limits.message`, before the message has arrived;
/// [`Error::Malformed`] when the length is not an integer or is zero.
pub fn frame(buf: &[u8], limits: &Limits) -> Result<Option<Range<usize>>, Error> {
    let mut cursor = Cursor::new(buf);
    let length = match cursor.uint() {
        Ok(length) => length,
        Err(Error::Truncated(_)) => return Ok(None),
        Err(e) => return Err(e),
    };
    if length == 0 {
        return Err(Error::malformed("a message of no bytes"));
    }
    limits.check_message(length)?;
    let start = buf.len() - cursor.rest().len();
    // The limit is a usize, so the length is one too.
    let length = length as usize;
    if cursor.rest().len() < length {
        return Ok(None);
    }
    Ok(Some(start..start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_length_and_the_body() {
        let stream = [0xFE, 0x01, 0x00]
            .into_iter()
            .chain([7; 256])
            .chain([9])
            .collect::<Vec<u8>>();
        for n in 0..259 {
            assert_eq!(
                frame(&stream[..n], &Limits::default()).unwrap(),
                None,
                "{n} bytes"
            );
        }
        assert_eq!(frame(&stream, &Limits::default()).unwrap(), Some(3..259));
    }

    #[test]
    fn refuses_a_length_before_the_body_arrives() {
        let limits = Limits {
            message: 100,
            ..Limits::default()
        };
        assert_eq!(frame(&[100], &limits).unwrap(), None);
        let error = frame(&[101], &limits).unwrap_err();
        assert_eq!(
            error.to_string(),
            "101 exceeds the limit of 100 for the bytes of a message (Limits::message)"
        );
        for bad in [
            &[0x00][..],
            &[0x80],
            &[0xF7, 1],
            &[0xF8, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            assert!(frame(bad, &Limits::default()).is_err(), "{bad:x?}");
        }
    }
}
