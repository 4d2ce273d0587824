//! Lines for the person who reads a run: one event a line, with the seconds since the run began and who speaks.

use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When the run began, since the Unix epoch.
static BEGIN: OnceLock<Duration> = OnceLock::new();

/// When the run began, since the Unix epoch: the first time that anyone asked, in the process outside of the
/// namespaces.
pub fn begin() -> Duration {
    *BEGIN.get_or_init(now)
}

/// Takes over the beginning of the run from the process outside.
pub fn continue_from(begin: Duration) {
    // Nobody asked before, in a process that has just started.
    let _ = BEGIN.set(begin);
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Prints `text` as the words of `speaker`; every further line of `text` is indented under the first.
pub fn say(speaker: &str, text: &str) {
    let began = begin();
    let seconds = now().saturating_sub(began).as_secs_f64();
    line(&render(seconds, speaker, text));
}

/// Prints `text` as it is.
pub fn line(text: &str) {
    // A reader who went away (a closed pipe) is no reason to end the run before it has cleaned up.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn render(seconds: f64, speaker: &str, text: &str) -> String {
    let mut lines = text.lines();
    let mut out = format!(
        "{seconds:7.1} s  {speaker:<24} {}",
        lines.next().unwrap_or_default()
    );
    for line in lines {
        out.push_str(&format!("\n{:36}{line}", ""));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn further_lines_stand_under_the_first() {
        assert_eq!(
            render(12.34, "1.10.1 release", "counted\nand counted"),
            format!(
                "   12.3 s  {:<24} counted\n{:36}and counted",
                "1.10.1 release", ""
            )
        );
    }
}
