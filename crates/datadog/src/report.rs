//! The plugin's account of itself: a log line a minute, and DogStatsD metrics where the operator wants them.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::client::Exchange;

const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    requests: u64,
    throttled: u64,
    failed: u64,
    waited: u64,
    shared: u64,
    postponed: u64,
}

impl Counts {
    fn of(exchange: &Exchange) -> Self {
        let counters = exchange.counters();
        Self {
            requests: counters.requests.load(Relaxed),
            throttled: counters.throttled.load(Relaxed),
            failed: counters.failed.load(Relaxed),
            waited: counters.waited.load(Relaxed),
            shared: counters.shared.load(Relaxed),
            postponed: counters.postponed.load(Relaxed),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            throttled: self.throttled - before.throttled,
            failed: self.failed - before.failed,
            waited: self.waited - before.waited,
            shared: self.shared - before.shared,
            postponed: self.postponed - before.postponed,
        }
    }

    fn mean_milliseconds(self) -> u64 {
        self.waited.checked_div(self.requests).unwrap_or(0)
    }

    /// The DogStatsD datagram.
    fn datagram(self) -> String {
        let Self {
            requests,
            throttled,
            failed,
            waited: _,
            shared,
            postponed,
        } = self;
        let mut lines: Vec<String> = [
            ("requests", requests),
            ("throttled", throttled),
            ("failed", failed),
            ("shared", shared),
            ("postponed", postponed),
        ]
        .iter()
        .map(|(name, count)| format!("serinus.datadog.{name}:{count}|c"))
        .collect();
        if requests > 0 {
            lines.push(format!(
                "serinus.datadog.request_ms:{}|g",
                self.mean_milliseconds()
            ));
        }
        lines.join("\n")
    }
}

/// Reports every minute in which something happened.
pub(crate) async fn report(exchange: Exchange, dogstatsd: Option<String>) {
    let mut before = Counts::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = Counts::of(&exchange);
        if now == before {
            continue;
        }
        let last = now.since(before);
        before = now;
        let Counts {
            requests,
            throttled,
            failed,
            waited: _,
            shared,
            postponed,
        } = last;
        let mean_ms = last.mean_milliseconds();
        tracing::info!(
            requests,
            throttled,
            failed,
            shared,
            postponed,
            mean_ms,
            "requests of the last minute"
        );
        if let Some(address) = &dogstatsd
            && let Err(error) = send(address, &last.datagram()).await
        {
            tracing::warn!(address, error = error.to_string(), "no DogStatsD metrics");
        }
    }
}

async fn send(address: &str, datagram: &str) -> std::io::Result<()> {
    let socket = tokio::net::UdpSocket::bind("0.0.0.0:0").await?;
    socket.send_to(datagram.as_bytes(), address).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_has_the_last_minute() {
        let before = Counts {
            requests: 10,
            waited: 100,
            ..Counts::default()
        };
        let now = Counts {
            requests: 14,
            waited: 300,
            throttled: 1,
            ..Counts::default()
        };
        assert_eq!(
            now.since(before).datagram(),
            "serinus.datadog.requests:4|c\nserinus.datadog.throttled:1|c\nserinus.datadog.failed:0|c\n\
             serinus.datadog.shared:0|c\nserinus.datadog.postponed:0|c\nserinus.datadog.request_ms:50|g"
        );
    }
}
