//! Events as lines on stderr: one JSON object an event, in the form that HashiCorp's hclog writes.

use std::fmt;
use std::io::Write as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

/// Sends events of at least `level` to stderr. `level` is a name like `info`, or levels by target
/// like `info,h2=warn`.
///
/// # Errors
/// Names a word that is no level.
pub fn install(level: &str) -> Result<(), String> {
    let filter = filter(level)?;
    let subscriber = Registry::default().with(Lines).with(filter);
    // A second call, as in tests, leaves the first one's subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

fn filter(level: &str) -> Result<Targets, String> {
    // To tracing-subscriber a word alone is a target as well, so that a misspelt level would silence everything.
    let mut words = level.split(',').filter(|word| !word.contains('='));
    match words.find(|word| word.parse::<LevelFilter>().is_err()) {
        Some(word) => Err(format!(
            "{word:?} is no level; accepted are error, warn, info, debug, trace, off, and target=level"
        )),
        None => level.parse::<Targets>().map_err(|error| error.to_string()),
    }
}

struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = line(event);
        line.push('\n');
        // One write, so that lines of several threads stay whole. A closed stderr has no reader to tell.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

fn line(event: &Event<'_>) -> String {
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    let mut map = fields.0;
    let message = map.remove("message").unwrap_or_default();
    let level = match *event.metadata().level() {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    map.insert("@level".into(), level.into());
    map.insert("@message".into(), message);
    map.insert("@module".into(), event.metadata().target().into());
    map.insert("@timestamp".into(), timestamp(SystemTime::now()).into());
    Value::Object(map).to_string()
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

/// RFC 3339 in UTC with exactly six digits of a second's fraction, as hclog writes it.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Civil date of a day number: years begin in March, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_micros()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_misspelt_level_silences_nothing() {
        for (level, at_info) in [
            ("info", true),
            ("off", false),
            ("off,canary_steps=debug", true),
            ("warn,h2=trace", false),
        ] {
            let filter = filter(level).unwrap();
            assert_eq!(
                filter.would_enable("canary_steps", &Level::INFO),
                at_info,
                "{level}"
            );
        }
        for level in ["inof", "info,h2", "h2=loud"] {
            filter(level).unwrap_err();
        }
        assert!(
            filter("inof")
                .unwrap_err()
                .starts_with("\"inof\" is no level; accepted are error")
        );
    }

    #[test]
    fn times_are_rfc_3339() {
        for (micros, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (1_735_689_599_999_999, "2024-12-31T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(
                timestamp(SystemTime::UNIX_EPOCH + Duration::from_micros(micros)),
                expected
            );
        }
    }
}
