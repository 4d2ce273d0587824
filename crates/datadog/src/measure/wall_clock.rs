//! What time it is.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The wall clock, or one that goes with tokio's, which tests turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock(Option<(Timestamp, Instant)>);

impl WallClock {
    /// The machine's.
    pub fn of_the_machine() -> Self {
        Self(None)
    }

    /// One that shows this time now and then goes with tokio's clock.
    pub fn of_tokio(now: Timestamp) -> Self {
        Self(Some((now, Instant::now())))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match self.0 {
            None => Timestamp::now(),
            Some((then, since)) => {
                let passed = SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::MAX);
                then.checked_add(passed).unwrap_or(Timestamp::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_of_tokio_is_turned_with_it() {
        let clock = WallClock::of_tokio(Timestamp::UNIX_EPOCH);
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!(clock.now().as_millisecond(), 1500);
    }
}
