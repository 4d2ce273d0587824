use crate::wire::put_uint;

/// A number of elements in front of them, which serde may not know, or not rightly.
pub(super) struct Counted {
    start: usize,
    announced: usize,
    pub(super) count: usize,
}

impl Counted {
    pub(super) fn begin(len: Option<usize>, out: &mut Vec<u8>) -> Self {
        let (start, announced) = (out.len(), len.unwrap_or(0));
        put_uint(out, announced as u64);
        Counted {
            start,
            announced,
            count: 0,
        }
    }

    /// Sets the number right, or takes everything back: an empty list or map is sent only where `send_empty` says so.
    pub(super) fn end(self, send_empty: bool, out: &mut Vec<u8>) -> bool {
        if self.count == 0 && !send_empty {
            out.truncate(self.start);
            return false;
        }
        if self.count != self.announced {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            put_uint(&mut before, self.announced as u64);
            put_uint(&mut after, self.count as u64);
            out.splice(self.start..self.start + before.len(), after);
        }
        true
    }
}
