//! The bridge from tracing.

use std::fmt::{self, Write};

use jiff::Timestamp;
use serde_json::Value;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{layer::Context, registry::LookupSpan};

use super::{level::Level, line::Line, sink::Sink};

/// Turns tracing's events into hclog lines; the fields of the spans an event happens in are fields of its line, the
/// event's own count where names meet.
#[derive(Debug)]
pub struct Layer {
    sink: Sink,
    level: Level,
}

impl Layer {
    /// Lines of level info and above, to `sink`.
    pub fn new(sink: Sink) -> Self {
        Self {
            sink,
            level: Level::default(),
        }
    }

    /// Lines of `level` and above.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Layer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= LevelFilter::from(self.level)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.into())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            tracing::Level::TRACE => "trace",
            tracing::Level::DEBUG => "debug",
            tracing::Level::INFO => "info",
            tracing::Level::WARN => "warn",
            tracing::Level::ERROR => "error",
        };
        let mut own = Fields::default();
        event.record(&mut own);
        let mut line = Line::new(level, metadata.target(), Timestamp::now());
        line.message(&own.message);
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(Fields { values, .. }) = span.extensions().get::<Fields>() {
                for (name, value) in values {
                    line.field(name, value.clone());
                }
            }
        }
        for (name, value) in own.values {
            line.field(name, value);
        }
        self.sink.write(&line.finish());
    }
}

/// What a span or an event carries.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    values: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.values.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message.clear();
            // A `Debug` that fails leaves what it had written.
            _ = write!(self.message, "{value:?}");
        } else {
            self.add(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.add(field, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a string does not fail.
            _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.add(field, text);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use tracing_subscriber::prelude::*;

    use super::*;
    use crate::hclog::sink::tests::Lines;

    fn logged(level: Level, log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let sink = Sink::new(lines.clone());
        let subscriber = tracing_subscriber::registry().with(Layer::new(sink.clone()).level(level));
        tracing::subscriber::with_default(subscriber, log);
        assert!(sink.flush(Duration::from_secs(10)));
        lines.values()
    }

    #[test]
    fn events_and_the_spans_they_happen_in() {
        let values = logged(Level::Info, || {
            let span = tracing::info_span!(
                "call",
                method = "SetWeight",
                weight = 1,
                late = tracing::field::Empty
            );
            let _entered = span.enter();
            span.record("late", true);
            tracing::warn!(weight = 20, ratio = 0.5, "changed {}", "it");
            tracing::debug!("too little");
        });
        let [line] = values.as_slice() else {
            panic!("{values:?}")
        };
        let expected = [
            ("@level", json!("warn")),
            ("@message", json!("changed it")),
            ("@module", json!("go_plugin::hclog::layer::tests")),
            ("method", json!("SetWeight")),
            ("weight", json!(20)),
            ("late", json!(true)),
            ("ratio", json!(0.5)),
        ];
        for (key, value) in expected {
            assert_eq!(line[key], value, "{key}");
        }
    }

    #[test]
    fn errors_are_told_with_their_causes() {
        let error = gob::Error::from(std::io::Error::other("disk"));
        let values = logged(Level::Info, || {
            tracing::error!(error = &error as &dyn std::error::Error, "failed");
        });
        assert_eq!(values[0]["error"], "read the stream: disk");
    }

    #[test]
    fn levels() {
        let all = || {
            tracing::error!("e");
            tracing::trace!("t");
        };
        assert_eq!(logged(Level::Trace, all).len(), 2);
        assert_eq!(logged(Level::Error, all).len(), 1);
        assert_eq!(logged(Level::Off, all).len(), 0);
    }
}
