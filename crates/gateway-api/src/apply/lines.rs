//! The lines of an answer that never ends.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::ApiError;
use super::api::Body;

/// Longer than any object an API server stores (etcd takes 1.5 MB), with what an event adds.
const MAX_LINE: usize = 8 << 20;

/// Reads a body line by line.
pub(super) struct Lines {
    body: Body,
    address: String,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line's end.
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: Body, address: String) -> Self {
        Self {
            body,
            address,
            buffer: BytesMut::new(),
            searched: 0,
        }
    }

    /// The next line without its end; [`None`] at the end of the body. It may be cancelled.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            if let Some(at) = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let mut line = self.buffer.split_to(self.searched + at + 1);
                line.truncate(line.len() - 1);
                self.searched = 0;
                return Ok(Some(line.freeze()));
            }
            self.searched = self.buffer.len();
            if self.searched > MAX_LINE {
                return Err(ApiError::Unreadable(format!(
                    "an event of more than {MAX_LINE} bytes"
                )));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(source)) => {
                    return Err(ApiError::Unreachable {
                        address: self.address.clone(),
                        source,
                    });
                }
            }
        }
    }
}
