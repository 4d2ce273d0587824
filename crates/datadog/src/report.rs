//! The plugin's account of itself: a log line a minute, and DogStatsD metrics where the operator wants them.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::client::{BudgetLeft, Exchange};

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

    /// The DogStatsD datagram (docs.datadoghq.com, "Datagram format").
    fn datagram(self, budgets: &[BudgetLeft]) -> String {
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
        lines.extend(budgets.iter().map(|budget| {
            let tags = format!("bucket:{},keys:{}", tag(&budget.bucket), tag(&budget.keys));
            format!("serinus.datadog.budget_left:{}|g|#{tags}", budget.remaining)
        }));
        lines.join("\n")
    }
}

/// A value of a tag: what would end it becomes `_`.
fn tag(text: &str) -> String {
    text.replace(|c: char| c.is_whitespace() || matches!(c, ',' | '|' | '#'), "_")
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
        let budgets = exchange.budgets();
        let left = describe(&budgets);
        tracing::info!(
            requests,
            throttled,
            failed,
            shared,
            postponed,
            mean_ms,
            left,
            "requests of the last minute"
        );
        if let Some(address) = &dogstatsd
            && let Err(error) = send(address, &last.datagram(&budgets)).await
        {
            tracing::warn!(address, error = error.to_string(), "no DogStatsD metrics");
        }
    }
}

/// Budgets in a word each.
fn describe(budgets: &[BudgetLeft]) -> String {
    let one = |budget: &BudgetLeft| format!("{} {} of {}", budget.bucket, budget.remaining, budget.limit);
    budgets.iter().map(one).collect::<Vec<_>>().join(", ")
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
        let budget = BudgetLeft {
            bucket: "query_scalar_public".to_owned(),
            keys: "Secret team/keys, a".to_owned(),
            remaining: 58,
            limit: 60,
        };
        assert_eq!(
            now.since(before).datagram(&[budget]),
            "serinus.datadog.requests:4|c\nserinus.datadog.throttled:1|c\nserinus.datadog.failed:0|c\n\
             serinus.datadog.shared:0|c\nserinus.datadog.postponed:0|c\nserinus.datadog.request_ms:50|g\n\
             serinus.datadog.budget_left:58|g|#bucket:query_scalar_public,keys:Secret_team/keys__a"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_is_told_of_every_minute_with_work() {
        let agent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let exchange = Exchange::new(crate::client::ExchangeSettings::default());
        let address = agent.local_addr().unwrap().to_string();
        let reporting = tokio::spawn(report(exchange.clone(), Some(address)));
        exchange.counters().requests.fetch_add(3, Relaxed);
        tokio::time::sleep(EVERY * 2 + Duration::from_secs(1)).await;
        let mut datagram = [0; 1024];
        let length = agent.recv(&mut datagram).unwrap();
        let text = std::str::from_utf8(&datagram[..length]).unwrap();
        assert!(text.starts_with("serinus.datadog.requests:3|c\n"), "{text}");
        agent.set_nonblocking(true).unwrap();
        assert!(
            agent.recv(&mut datagram).is_err(),
            "nothing is told of a minute without work"
        );
        reporting.abort();
    }
}
