//! The 12-byte header of every frame (`spec.md`, "Framing"; `const.go`, `header`).

/// Opens a stream; on a ping, asks (`flagSYN`).
pub(crate) const SYN: u16 = 0x1;
/// Accepts a stream; on a ping, answers (`flagACK`).
pub(crate) const ACK: u16 = 0x2;
/// The sender writes nothing more on this stream (`flagFIN`).
pub(crate) const FIN: u16 = 0x4;
/// Ends a stream at once, in both directions (`flagRST`).
pub(crate) const RST: u16 = 0x8;

/// GoAway codes (`goAwayNormal`, `goAwayProtoErr`, `goAwayInternalErr`).
pub(crate) const GO_AWAY_NORMAL: u32 = 0x0;
pub(crate) const GO_AWAY_PROTOCOL_ERROR: u32 = 0x1;
pub(crate) const GO_AWAY_INTERNAL_ERROR: u32 = 0x2;

/// What a frame is; the numbers are the protocol's (`typeData` …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameType {
    /// `length` bytes of a stream follow.
    Data = 0x0,
    /// `length` more bytes may be sent on the stream.
    WindowUpdate = 0x1,
    /// `length` is a value to be echoed.
    Ping = 0x2,
    /// The session ends; `length` is the reason.
    GoAway = 0x3,
}

/// The header of a frame, decoded. All numbers are big-endian on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub frame_type: FrameType,
    /// SYN 0x1, ACK 0x2, FIN 0x4, RST 0x8; other bits are ignored, as in Go.
    pub flags: u16,
    /// The stream it belongs to; 0 is the session itself.
    pub stream_id: u32,
    /// Its meaning depends on the type, see [`FrameType`].
    pub length: u32,
}

/// Why twelve bytes are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Version(u8),
    Type(u8),
}

impl Header {
    /// Bytes of a header on the wire (`headerSize`).
    pub const SIZE: usize = 12;
    /// The only version there is (`protoVersion`).
    const VERSION: u8 = 0;

    pub(crate) fn decode(bytes: &[u8; Self::SIZE]) -> Result<Self, HeaderError> {
        let [version, frame_type, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = *bytes;
        if version != Self::VERSION {
            return Err(HeaderError::Version(version));
        }
        let frame_type = match frame_type {
            0x0 => FrameType::Data,
            0x1 => FrameType::WindowUpdate,
            0x2 => FrameType::Ping,
            0x3 => FrameType::GoAway,
            other => return Err(HeaderError::Type(other)),
        };
        Ok(Self {
            frame_type,
            flags: u16::from_be_bytes([f0, f1]),
            stream_id: u32::from_be_bytes([s0, s1, s2, s3]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }

    pub(crate) fn encode(self) -> [u8; Self::SIZE] {
        let [f0, f1] = self.flags.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream_id.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [
            Self::VERSION,
            self.frame_type as u8,
            f0,
            f1,
            s0,
            s1,
            s2,
            s3,
            l0,
            l1,
            l2,
            l3,
        ]
    }

    /// Whether every one of `flags` is set.
    pub(crate) fn has(self, flags: u16) -> bool {
        self.flags & flags == flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The layout of `spec.md`, written out.
    #[test]
    fn layout() {
        let header = Header {
            frame_type: FrameType::WindowUpdate,
            flags: SYN | FIN,
            stream_id: 0x0102_0304,
            length: 0x0506_0708,
        };
        assert_eq!(header.encode(), [0, 1, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn version_and_type_are_checked() {
        let bytes = |version, frame_type| [version, frame_type, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Header::decode(&bytes(1, 0)), Err(HeaderError::Version(1)));
        assert_eq!(Header::decode(&bytes(0, 4)), Err(HeaderError::Type(4)));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes: [u8; Header::SIZE]) {
            if let Ok(header) = Header::decode(&bytes) {
                prop_assert_eq!(header.encode(), bytes);
            }
        }
    }
}
