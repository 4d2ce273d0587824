//! How many calls may run at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A place taken, until it is dropped.
pub(crate) type Slot = OwnedSemaphorePermit;

/// Places for running calls. Clones are the same places.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    limit: usize,
}

impl Slots {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            limit,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// A place, unless all are taken. Nobody queues for one: a caller that is told so can do something else.
    pub(crate) fn take(&self) -> Option<Slot> {
        self.free.clone().try_acquire_owned().ok()
    }
}
