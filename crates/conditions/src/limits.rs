//! How much a condition may cost.

/// Budgets of one evaluation. A condition that exceeds one is an [`Error`](crate::Error) of kind
/// [`Limit`](crate::ErrorKind::Limit).
///
/// The first two are expr's own, with its defaults, so that Go answers the same. Go has no others: there a condition
/// may run for hours, allocate what the machine has, or overflow the stack and end the process. Here one process serves
/// a whole cluster, and a tenant's condition must not stop the others.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Nodes of the condition's tree. Default 10,000 (`conf.DefaultMaxNodes` of expr). A typical condition has ten.
    pub nodes: usize,
    /// Elements of the lists and maps a condition makes, added up; the sum must stay below this. Default 1,000,000
    /// (`conf.DefaultMemoryBudget` of expr). An element takes 16 bytes, twice that while a list is being made: a
    /// process that must stay small sets less.
    pub elements: usize,
    /// Bytes of the strings and lists a condition makes, added up. Default 64 MiB.
    pub bytes: usize,
    /// Steps: an instruction is one, and so is each element or eight bytes that a built-in looks at. Default
    /// 10,000,000, which takes about a quarter of a second and lets a predicate look at a million elements.
    pub steps: u64,
    /// How deep expressions nest. Default 10,000, as deep as a tree of that many nodes can be.
    pub depth: usize,
    /// How deep lists and maps nest, in `result` and in what a condition makes. Default 500.
    pub value_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes: 10_000,
            elements: 1_000_000,
            bytes: 64 << 20,
            steps: 10_000_000,
            depth: 10_000,
            value_depth: 500,
        }
    }
}
