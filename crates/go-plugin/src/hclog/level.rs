//! Levels as hclog names them.

use std::{fmt, str::FromStr};

use tracing_subscriber::filter::LevelFilter;

/// The least severe lines that are logged. Its text form is for flags and environment variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Everything.
    Trace,
    /// What a developer of the plugin wants to know.
    Debug,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What may need a look.
    Warn,
    /// What went wrong.
    Error,
    /// Nothing.
    Off,
}

/// A text that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown log level {0:?}, expected trace, debug, info, warn, error or off")]
pub struct ParseLevelError(String);

impl Level {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Trace, "trace"),
        (Self::Debug, "debug"),
        (Self::Info, "info"),
        (Self::Warn, "warn"),
        (Self::Error, "error"),
        (Self::Off, "off"),
    ];
}

impl FromStr for Level {
    type Err = ParseLevelError;

    /// In any case, with spaces around, as hclog's `LevelFromString` reads it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim();
        let level = Self::ALL
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name));
        level
            .map(|(level, _)| *level)
            .ok_or_else(|| ParseLevelError(text.to_owned()))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::ALL.iter().find(|(level, _)| level == self);
        f.write_str(known.map_or("", |(_, name)| name))
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::TRACE,
            Level::Debug => Self::DEBUG,
            Level::Info => Self::INFO,
            Level::Warn => Self::WARN,
            Level::Error => Self::ERROR,
            Level::Off => Self::OFF,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (level, name) in Level::ALL {
            assert_eq!(name.parse(), Ok(level));
            assert_eq!(level.to_string(), name);
        }
        assert_eq!(" WARN".parse(), Ok(Level::Warn));
        let error = "verbose".parse::<Level>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown log level \"verbose\", expected trace, debug, info, warn, error or off"
        );
    }
}
