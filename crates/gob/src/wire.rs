//! Integers, floats and byte strings as they travel (`encoding/gob/doc.go`, "Encoding Details").

use crate::Error;

/// The unread rest of a message.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Cursor { rest }
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Up to 127 in one byte; otherwise the negated count of bytes, then these bytes, the highest first.
    #[inline]
    pub(crate) fn uint(&mut self) -> Result<u64, Error> {
        match self.rest {
            [byte @ 0..=0x7F, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_uint(),
        }
    }

    fn long_uint(&mut self) -> Result<u64, Error> {
        let Some((&first, rest)) = self.rest.split_first() else {
            return Err(Error::Truncated("an integer"));
        };
        let count = 256 - usize::from(first);
        if count > 8 {
            return Err(Error::malformed(format!(
                "an integer of {count} bytes, more than 8"
            )));
        }
        let Some((digits, rest)) = rest.split_at_checked(count) else {
            return Err(Error::Truncated("an integer"));
        };
        let mut bytes = [0; 8];
        bytes[8 - count..].copy_from_slice(digits);
        self.rest = rest;
        Ok(u64::from_be_bytes(bytes))
    }

    /// Bit 0 says whether the other bits are complemented.
    #[inline]
    pub(crate) fn int(&mut self) -> Result<i64, Error> {
        let bits = self.uint()?;
        let value = (bits >> 1) as i64;
        Ok(if bits & 1 == 0 { value } else { !value })
    }

    /// The bytes of an IEEE 754 double, the exponent first.
    #[inline]
    pub(crate) fn float(&mut self) -> Result<f64, Error> {
        Ok(f64::from_bits(self.uint()?.swap_bytes()))
    }

    /// A count and that many bytes.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let count = self.uint()?;
        self.take(count)
    }

    #[inline]
    pub(crate) fn take(&mut self, count: u64) -> Result<&'a [u8], Error> {
        match usize::try_from(count)
            .ok()
            .and_then(|count| self.rest.split_at_checked(count))
        {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Error::Truncated("a string or a list of bytes")),
        }
    }

    #[inline]
    pub(crate) fn skip_uint(&mut self) -> Result<(), Error> {
        match self.rest {
            [0..=0x7F, rest @ ..] => {
                self.rest = rest;
                Ok(())
            }
            _ => self.long_uint().map(drop),
        }
    }

    /// Refuses bytes after a value. Go drops them silently when the next value is read.
    pub(crate) fn expect_end(&self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            n => Err(Error::malformed(format!("{n} bytes follow the value"))),
        }
    }
}

pub(crate) fn put_uint(out: &mut Vec<u8>, value: u64) {
    if value <= 0x7F {
        out.push(value as u8);
        return;
    }
    let bytes = value.to_be_bytes();
    let zeros = value.leading_zeros() as usize / 8;
    // The count of bytes, negated: 8 - zeros of them.
    out.push((zeros as u8).wrapping_sub(8));
    out.extend_from_slice(&bytes[zeros..]);
}

pub(crate) fn put_int(out: &mut Vec<u8>, value: i64) {
    put_uint(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(crate) fn put_float(out: &mut Vec<u8>, value: f64) {
    put_uint(out, value.to_bits().swap_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Puts the length of everything from `start` on in front of it.
pub(crate) fn prefix_length(out: &mut Vec<u8>, start: usize) {
    let mut length = Vec::with_capacity(9);
    put_uint(&mut length, (out.len() - start) as u64);
    out.splice(start..start, length);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of `encoding/gob/doc.go` and the borders of each length.
    #[test]
    fn integers() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (7, &[0x07]),
            (127, &[0x7F]),
            (128, &[0xFF, 0x80]),
            (256, &[0xFE, 0x01, 0x00]),
            (u64::MAX, &[0xF8, 255, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            let mut out = vec![];
            put_uint(&mut out, value);
            assert_eq!(out, bytes);
            assert_eq!(Cursor::new(bytes).uint().unwrap(), value);
        }
        for (value, bytes) in [
            (0, &[0x00][..]),
            (3, &[0x06]),
            (-1, &[0x01]),
            (-64, &[0x7F]),
            (-65, &[0xFF, 0x81]),
            (-129, &[0xFE, 0x01, 0x01]),
            (i64::MIN, &[0xF8, 255, 255, 255, 255, 255, 255, 255, 255]),
            (i64::MAX, &[0xF8, 255, 255, 255, 255, 255, 255, 255, 254]),
        ] {
            let mut out = vec![];
            put_int(&mut out, value);
            assert_eq!(out, bytes);
            assert_eq!(Cursor::new(bytes).int().unwrap(), value);
        }
    }

    #[test]
    fn floats() {
        let mut out = vec![];
        put_float(&mut out, 17.0);
        assert_eq!(out, [0xFE, 0x31, 0x40]);
        assert_eq!(Cursor::new(&out).float().unwrap(), 17.0);
    }

    #[test]
    fn refuses_what_no_encoder_writes() {
        for bytes in [
            &[][..],
            &[0xFF],
            &[0xF8, 1, 2, 3],
            &[0xF7, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            &[0x80],
        ] {
            assert!(Cursor::new(bytes).uint().is_err(), "{bytes:x?}");
            assert!(Cursor::new(bytes).skip_uint().is_err(), "{bytes:x?}");
        }
        assert!(Cursor::new(&[2, 1]).bytes().is_err());
        assert!(
            Cursor::new(&[0xF8, 255, 255, 255, 255, 255, 255, 255, 255])
                .bytes()
                .is_err()
        );
    }
}
