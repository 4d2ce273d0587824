use crate::Error;

/// Bounds on what a peer may make us do, checked before memory is taken.
///
/// Go's decoder knows one bound, 8 GB for a message (`tooBig` in `encoding/gob/decoder.go`), and is documented as not
/// hardened. The defaults here fit an Argo Rollouts controller with room to spare: an object in etcd is at most
/// 1.5 MB, its types take about 60 KB of definitions.
///
/// ```
/// let limits = gob::Limits { message: 1 << 20, ..gob::Limits::default() };
/// assert_eq!(limits.depth, 128);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message, also of a value that spans several messages. Default 16 MiB.
    pub message: usize,
    /// Structs, lists, maps and interface values inside each other. Default 128.
    ///
    /// Reading and writing recurse, so a much larger value needs threads with a larger stack.
    pub depth: usize,
    /// Types that one stream may define or refer to. Default 4096; a whole Rollout needs about 300.
    pub types: usize,
    /// Bytes of all type definitions of one stream. Default 4 MiB.
    pub definitions: usize,
    /// List elements, map entries and struct fields of one value. Default 1,048,576.
    ///
    /// It bounds the memory of the result, because a one-byte element may be a large struct in Rust. What is inside
    /// a field that the target does not know is passed over and does not count.
    pub elements: usize,
    /// Bytes of the registered name in front of an interface value. Default 1024, as in Go (`decodeInterface`).
    pub name: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message: 16 << 20,
            depth: 128,
            types: 4096,
            definitions: 4 << 20,
            elements: 1 << 20,
            name: 1024,
        }
    }
}

impl Limits {
    pub(crate) fn check_message(&self, seen: u64) -> Result<(), Error> {
        check("the bytes of a message", "message", seen, self.message)
    }

    pub(crate) fn check_depth(&self, seen: usize) -> Result<(), Error> {
        check("nested values", "depth", seen as u64, self.depth)
    }

    pub(crate) fn check_types(&self, seen: usize) -> Result<(), Error> {
        check("the types of a stream", "types", seen as u64, self.types)
    }

    pub(crate) fn check_definitions(&self, seen: usize) -> Result<(), Error> {
        check(
            "the bytes of type definitions",
            "definitions",
            seen as u64,
            self.definitions,
        )
    }

    pub(crate) fn check_elements(&self, seen: usize) -> Result<(), Error> {
        check("the elements of a value", "elements", seen as u64, self.elements)
    }

    pub(crate) fn check_name(&self, seen: u64) -> Result<(), Error> {
        check("the bytes of a registered name", "name", seen, self.name)
    }
}

#[inline]
fn check(what: &'static str, field: &'static str, seen: u64, limit: usize) -> Result<(), Error> {
    let limit = limit as u64;
    if seen > limit {
        Err(Error::Limit {
            what,
            field,
            seen,
            limit,
        })
    } else {
        Ok(())
    }
}
