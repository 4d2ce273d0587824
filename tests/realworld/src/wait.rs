//! Waiting for something to become true, with a deadline that tells what was last seen.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// What one look found.
#[derive(Debug)]
pub enum Seen<T> {
    /// It is there.
    Yes(T),
    /// Not yet; the words are printed if the deadline passes.
    Not(String),
}

impl<T> Seen<T> {
    /// `Yes(value)` if `condition` holds, else `Not(words())`.
    pub fn when(condition: bool, value: T, words: impl FnOnce() -> String) -> Self {
        if condition {
            Self::Yes(value)
        } else {
            Self::Not(words())
        }
    }
}

/// How long to wait between two looks. Short beside what is waited for, long beside the cost of a request.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks until `look` finds what it wants, or `within` has passed. An error of a look counts as "not yet", because a
/// server that is just starting answers with errors; it is told when the deadline passes.
///
/// # Errors
/// When the deadline passes, naming `what` and what was last seen.
pub async fn wait_for<T>(
    what: impl std::fmt::Display,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut last = "nothing".to_owned();
    loop {
        last = match timeout_at(deadline, look()).await {
            Ok(Ok(Seen::Yes(value))) => return Ok(value),
            Ok(Ok(Seen::Not(words))) => words,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_elapsed) => last,
        };
        if Instant::now() + PAUSE >= deadline {
            return Err(anyhow!(
                "waited {} s for {what}; last seen: {last}",
                within.as_secs_f64()
            ));
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn returns_what_the_look_found() {
        let mut looks = 0;
        let found = wait_for("the third look", Duration::from_secs(5), async || {
            looks += 1;
            Ok(Seen::when(looks == 3, looks, || format!("look {looks}")))
        });
        assert_eq!(found.await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_tells_what_was_last_seen() {
        let mut looks = 0;
        let error = wait_for::<()>("a miracle", Duration::from_secs(1), async || {
            looks += 1;
            if looks % 2 == 0 {
                Err(anyhow!("connection refused"))
            } else {
                Ok(Seen::Not("weight 20".to_owned()))
            }
        })
        .await
        .unwrap_err()
        .to_string();
        assert!(
            error.starts_with("waited 1 s for a miracle; last seen: "),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_does_not_outlive_the_deadline() {
        let error = wait_for::<()>("an answer", Duration::from_secs(2), async || {
            std::future::pending().await
        })
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), "waited 2 s for an answer; last seen: nothing");
    }
}
