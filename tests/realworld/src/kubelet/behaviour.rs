//! What a pod is told to do by its annotations.

use std::time::Duration;

use serde_json::Value;

/// The annotations of [`super`]'s table, parsed; what cannot be parsed has its default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Behaviour {
    pub(super) fail_rate: f64,
    pub(super) delay: Duration,
    pub(super) linger: Duration,
}

/// Gateways learn by a watch that an endpoint is leaving; Traefik gathers such news for up to two seconds.
const LINGER: u64 = 3000;

impl Behaviour {
    pub(super) fn of(annotations: &Value) -> Self {
        let text = |name: &str| annotations[format!("realworld.serinus.dev/{name}")].as_str();
        let millis = |name: &str, default| {
            Duration::from_millis(text(name).and_then(|text| text.parse().ok()).unwrap_or(default))
        };
        Self {
            fail_rate: text("fail-rate")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0),
            delay: millis("delay", 0),
            linger: millis("linger", LINGER),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_and_defaults() {
        let told = Behaviour::of(&json!({
            "realworld.serinus.dev/fail-rate": "0.25", "realworld.serinus.dev/delay": "40",
            "realworld.serinus.dev/linger": "0",
        }));
        let millis = Duration::from_millis;
        assert_eq!(
            told,
            Behaviour {
                fail_rate: 0.25,
                delay: millis(40),
                linger: millis(0)
            }
        );
        let untold = Behaviour {
            fail_rate: 0.0,
            delay: millis(0),
            linger: millis(3000),
        };
        assert_eq!(Behaviour::of(&Value::Null), untold);
    }
}
