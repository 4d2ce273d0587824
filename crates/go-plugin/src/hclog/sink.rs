//! Where lines go: a thread writes them, so that nobody who logs waits for the host.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use jiff::Timestamp;

use super::line::Line;

/// Bytes of lines that may wait for the host to read: some thousand lines.
const CAPACITY: usize = 1024 * 1024;
/// A buffer that grew beyond this is given back when it has been written.
const KEPT_BUFFER: usize = 64 * 1024;

/// The way to the host's log. Clones lead to the same place.
#[derive(Clone)]
pub struct Sink {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// There is nothing left to write.
    written: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    dropped: u64,
}

/// A sink that ends at stderr.
pub fn stderr() -> Sink {
    // The lock is taken for each write only: what others print comes between lines, not inside of one.
    Sink::new(io::stderr())
}

impl Sink {
    /// A sink that ends at `writer`, which gets whole lines, many at a time. Errors of it are not told to anyone.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
        });
        let sink = Self {
            shared: shared.clone(),
        };
        let write = move || shared.write_all(writer);
        if let Err(error) = thread::Builder::new().name("hclog".into()).spawn(write) {
            // Without the thread every line is dropped when the buffer is full.
            sink.write(format!("[ERROR] cannot start the thread that writes the log: {error}\n").as_bytes());
        }
        sink
    }

    /// Waits until all lines are written, but no longer than `patience`; false when some are not.
    pub fn flush(&self, patience: Duration) -> bool {
        let state = self.shared.lock();
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let waited = self.shared.written.wait_timeout_while(state, patience, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Lines that were dropped since the last time that some could be written.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Takes a line with its end, unless the buffer is full.
    pub(super) fn write(&self, line: &[u8]) {
        let mut state = self.shared.lock();
        if state.waiting.len() + line.len() > CAPACITY {
            state.dropped += 1;
            return;
        }
        if state.dropped > 0 {
            let count = std::mem::take(&mut state.dropped);
            let mut notice = Line::new("warn", "go_plugin::hclog", Timestamp::now());
            notice.message(&format!(
                "{count} log lines were dropped because stderr was not read"
            ));
            state.waiting.extend_from_slice(&notice.finish());
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.shared.filled.notify_one();
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's work, for as long as the process lives.
    fn write_all(&self, mut writer: impl Write) {
        let mut lines = Vec::new();
        loop {
            let is_empty = |state: &mut State| state.waiting.is_empty();
            let waited = self.filled.wait_while(self.lock(), is_empty);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.waiting, &mut lines);
            state.is_writing = true;
            drop(state);
            // A closed stderr is nothing that could be told anyone.
            _ = writer.write_all(&lines).and_then(|()| writer.flush());
            lines.clear();
            lines.shrink_to(KEPT_BUFFER);
            let mut state = self.lock();
            state.is_writing = false;
            if state.waiting.is_empty() {
                self.written.notify_all();
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc;

    use serde_json::Value;

    use super::*;

    /// A writer to look into.
    #[derive(Debug, Clone, Default)]
    pub(in crate::hclog) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(in crate::hclog) fn values(&self) -> Vec<Value> {
            let lines = self.0.lock().unwrap();
            serde_json::Deserializer::from_slice(&lines)
                .into_iter()
                .map(Result::unwrap)
                .collect()
        }

        pub(in crate::hclog) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A writer that says when it is written to, and stands still until it is let go.
    struct Stuck(mpsc::Sender<()>, Arc<Mutex<()>>, Lines);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(()).unwrap();
            let _held = self.1.lock().unwrap();
            self.2.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_host_that_does_not_read_costs_lines_and_nothing_else() {
        let (stopper, lines) = (Arc::new(Mutex::new(())), Lines::default());
        let held = stopper.lock().unwrap();
        let (sender, is_stuck) = mpsc::channel();
        let sink = Sink::new(Stuck(sender, stopper.clone(), lines.clone()));
        let line = format!("{{\"filler\":\"{}\"}}\n", "x".repeat(1000));
        // Only when it stands still is the number of lines that find room certain.
        sink.write(line.as_bytes());
        is_stuck.recv().unwrap();
        for _ in 0..5_000 {
            sink.write(line.as_bytes());
        }
        let dropped = sink.dropped();
        assert_eq!(dropped, 5_000 - (CAPACITY / line.len()) as u64);
        assert!(!sink.flush(Duration::from_millis(1)));

        drop(held);
        assert!(sink.flush(Duration::from_secs(10)));
        sink.write(b"{\"last\":true}\n");
        assert!(sink.flush(Duration::from_secs(10)));
        let values = lines.values();
        assert_eq!(values.len() as u64, 5_001 - dropped + 2);
        let notice = &values[values.len() - 2];
        assert_eq!(
            notice["@message"],
            format!("{dropped} log lines were dropped because stderr was not read")
        );
        assert_eq!(notice["@level"], "warn");
    }
}
