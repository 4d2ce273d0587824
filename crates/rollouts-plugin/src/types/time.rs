//! `metav1.Time`: RFC 3339 in JSON, a GobEncoder's bytes on the wire.

use std::fmt;

use jiff::Timestamp;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Seconds from the first of January of year 1 (Go's zero time) to the Unix epoch. Go: `time` `unixToInternal`.
const UNIX_TO_INTERNAL: i64 = 62_135_596_800;
/// Go: `time.timeBinaryVersionV1`: version, seconds (8), nanoseconds (4), offset in minutes (2).
const VERSION_1: u8 = 0x01;
/// Go: `time.timeBinaryVersionV2`: as version 1, with the seconds of the offset behind.
const VERSION_2: u8 = 0x02;
/// Go: `time.Time.MarshalBinary` writes this offset for UTC.
const OFFSET_UTC: i16 = -1;

/// A moment. The zone that Go sends beside it is not kept: it never changes what moment it is.
///
/// Its wire form is `time.Time.MarshalBinary`'s, because `metav1.Time` embeds `time.Time` and with it `GobEncode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Timestamp);

impl Time {
    /// The moment of a system clock's value, which is what a plugin has at hand.
    ///
    /// # Errors
    /// Where the value lies outside the years -9999 to 9999.
    pub fn from_system(time: std::time::SystemTime) -> Result<Self, jiff::Error> {
        Timestamp::try_from(time).map(Self)
    }

    /// Go: `time.Time.MarshalBinary`, always in UTC.
    fn to_go_binary(self) -> [u8; 15] {
        // A Timestamp before the epoch carries negative nanoseconds; Go counts them upwards from the second below.
        let nanosecond = self.0.subsec_nanosecond();
        let (second, nanosecond) = match nanosecond < 0 {
            true => (self.0.as_second() - 1, nanosecond + 1_000_000_000),
            false => (self.0.as_second(), nanosecond),
        };
        let mut bytes = [0; 15];
        bytes[0] = VERSION_1;
        bytes[1..9].copy_from_slice(&(second + UNIX_TO_INTERNAL).to_be_bytes());
        bytes[9..13].copy_from_slice(&nanosecond.to_be_bytes());
        bytes[13..15].copy_from_slice(&OFFSET_UTC.to_be_bytes());
        bytes
    }

    /// Go: `time.Time.UnmarshalBinary`.
    fn from_go_binary(bytes: &[u8]) -> Result<Self, String> {
        let length = match bytes.first() {
            Some(&VERSION_1) => 15,
            Some(&VERSION_2) => 16,
            Some(version) => return Err(format!("time of binary version {version}: 1 or 2 is accepted")),
            None => return Err("time without bytes".to_owned()),
        };
        if bytes.len() != length {
            return Err(format!("time of {} bytes: {length} are expected", bytes.len()));
        }
        let second = i64::from_be_bytes(bytes[1..9].try_into().expect("eight bytes"));
        let nanosecond = i32::from_be_bytes(bytes[9..13].try_into().expect("four bytes"));
        second
            .checked_sub(UNIX_TO_INTERNAL)
            .ok_or_else(|| format!("time of {second} seconds is out of range"))
            .and_then(|unix| Timestamp::new(unix, nanosecond).map_err(|error| error.to_string()))
            .map(Self)
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&self.0)
        } else {
            serializer.serialize_bytes(&self.to_go_binary())
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Moment;
        impl Visitor<'_> for Moment {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a moment: RFC 3339 text, or the bytes of Go's time.Time")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map(Time).map_err(E::custom)
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Time, E> {
                Time::from_go_binary(bytes).map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Moment)
        } else {
            deserializer.deserialize_bytes(Moment)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_binary_form() {
        // Written by Go: time.Date(2026, 11, 21, 10, 20, 30, 123456789, time.UTC).MarshalBinary() and, with a zone,
        // time.FixedZone("", 2*3600) and time.FixedZone("", -1) for version 2.
        let moment: Timestamp = "2026-11-21T10:20:30.123456789Z".parse().unwrap();
        let second = (moment.as_second() + UNIX_TO_INTERNAL).to_be_bytes();
        let mut bytes = vec![1];
        bytes.extend(second);
        bytes.extend(123_456_789_i32.to_be_bytes());
        bytes.extend([0xff, 0xff]);
        assert_eq!(Time(moment).to_go_binary().to_vec(), bytes);
        assert_eq!(Time::from_go_binary(&bytes).unwrap(), Time(moment));
        bytes[13..15].copy_from_slice(&120_i16.to_be_bytes());
        assert_eq!(
            Time::from_go_binary(&bytes).unwrap(),
            Time(moment),
            "the zone does not move the moment"
        );
        bytes[0] = 2;
        assert!(
            Time::from_go_binary(&bytes).is_err(),
            "version 2 has one byte more"
        );
        bytes.push(0);
        assert_eq!(Time::from_go_binary(&bytes).unwrap(), Time(moment));
    }

    #[test]
    fn before_the_epoch_and_out_of_range() {
        let early: Timestamp = "1969-12-31T23:59:59.25Z".parse().unwrap();
        assert_eq!(
            Time::from_go_binary(&Time(early).to_go_binary()).unwrap(),
            Time(early)
        );
        for bytes in [&[][..], &[3; 15], &[1; 14]] {
            assert!(Time::from_go_binary(bytes).is_err(), "{bytes:?}");
        }
        let mut far = [0x7f; 15];
        far[0] = 1;
        assert!(Time::from_go_binary(&far).is_err());
        far[1..9].copy_from_slice(&i64::MIN.to_be_bytes());
        assert!(Time::from_go_binary(&far).is_err());
    }
}
