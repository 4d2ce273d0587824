//! Panics, in the form that the host logs as an error (`client.go`, `logStderr`: `panic: `).

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Write,
    panic::{self, PanicHookInfo},
    thread,
    time::Duration,
};

use super::sink::Sink;

/// How long a panicking thread waits for its lines to be written: the process may be about to end.
const PATIENCE: Duration = Duration::from_millis(100);

/// Sends the text of every panic in this process to `sink`, as one line that begins with `panic: `; a backtrace
/// follows where `RUST_BACKTRACE` asks for one. Replaces the panic hook.
pub fn log_panics(sink: Sink) {
    panic::set_hook(Box::new(move |info| {
        sink.write(text(info, &Backtrace::capture()).as_bytes());
        sink.flush(PATIENCE);
    }));
}

fn text(info: &PanicHookInfo<'_>, backtrace: &Backtrace) -> String {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("no text").replace(['\n', '\r'], " ");
    let mut text = format!("panic: {message}");
    // Writing to a string does not fail.
    if let Some(location) = info.location() {
        _ = write!(text, " at {location}");
    }
    _ = writeln!(
        text,
        " in thread {:?}",
        thread::current().name().unwrap_or("unnamed")
    );
    if backtrace.status() == BacktraceStatus::Captured {
        _ = writeln!(text, "{backtrace}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hclog::sink::tests::Lines;

    #[test]
    fn a_panic_is_one_line_that_the_host_knows() {
        let lines = Lines::default();
        let before = panic::take_hook();
        log_panics(Sink::new(lines.clone()));
        let panicked = thread::Builder::new()
            .name("handler".into())
            .spawn(|| panic!("broken\nin two"))
            .unwrap()
            .join();
        panic::set_hook(before);
        assert!(panicked.is_err());
        let text = lines.text();
        let first = text.lines().find(|line| line.contains("broken")).unwrap();
        assert!(first.starts_with("panic: broken in two at "), "{first}");
        assert!(first.ends_with(" in thread \"handler\""), "{first}");
    }
}
