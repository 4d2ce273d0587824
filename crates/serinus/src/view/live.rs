//! Shows a rehearsal while it goes on: redrawn on a terminal, line by line elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use super::frame::{Scene, render};
use super::paint::{Paint, fit};
use super::plain::Told;
use crate::rehearsal::journal::Journal;

/// How a rehearsal is shown.
#[derive(Debug, Clone)]
pub struct View {
    /// Redraw instead of adding lines.
    pub redraw: bool,
    /// Colours.
    pub paint: Paint,
    /// Heading.
    pub title: String,
    /// How fast the controller's clock runs.
    pub speed: f64,
    /// Confidence of a single check.
    pub confidence: f64,
}

impl View {
    /// A view that suits standard output: no redrawing on a pipe, no colours where `NO_COLOR` is set.
    pub fn suitable(title: &str, speed: f64, confidence: f64, plain: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self {
            redraw: terminal && !plain,
            paint: Paint { colour },
            title: title.to_owned(),
            speed,
            confidence,
        }
    }

    /// Shows the journal until this is dropped or the terminal is gone. `silent` shows nothing.
    pub async fn follow(self, journal: Arc<Journal>, silent: bool) {
        if silent {
            return std::future::pending().await;
        }
        let mut screen = Screen {
            drawn: 0,
            redraw: self.redraw,
        };
        let mut told = Told::default();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let shown = if self.redraw {
                screen.draw(&self.picture(&journal))
            } else {
                print_lines(&told.news(&journal.read(), |phase| journal.tally(phase)))
            };
            if shown.is_err() {
                return;
            }
        }
    }

    fn picture(&self, journal: &Journal) -> Vec<String> {
        let pages = journal.read();
        let tally = pages
            .phases
            .last()
            .map(|phase| journal.tally(phase))
            .unwrap_or_default();
        let scene = Scene {
            title: &self.title,
            pages: &pages,
            tally: &tally,
            now: journal.now(),
            speed: self.speed,
            confidence: self.confidence,
        };
        render(&scene, self.paint)
    }
}

/// The part of the terminal that is redrawn. It is wiped, and the cursor given back, when it is dropped.
#[derive(Debug)]
struct Screen {
    drawn: usize,
    redraw: bool,
}

impl Screen {
    fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let (columns, rows) = terminal_size::terminal_size().map_or((100, 40), |(width, height)| {
            (usize::from(width.0), usize::from(height.0))
        });
        // The last row stays free: a line there would scroll the picture away from where it is redrawn.
        let lines = &lines[..lines.len().min(rows.saturating_sub(1))];
        let mut out = String::from("\x1b[?25l");
        out += &self.up();
        for line in lines {
            out += &fit(line, columns.saturating_sub(1));
            out += "\x1b[K\n";
        }
        out += "\x1b[J";
        self.drawn = lines.len();
        write_out(&out)
    }

    fn up(&self) -> String {
        if self.drawn == 0 {
            String::new()
        } else {
            format!("\x1b[{}A\r", self.drawn)
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.redraw {
            drop(write_out(&format!("{}\x1b[J\x1b[?25h", self.up())));
        }
    }
}

fn print_lines(lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    write_out(&(lines.join("\n") + "\n"))
}

/// Colours, where standard output is a terminal and `NO_COLOR` is not set.
pub fn suitable_paint() -> Paint {
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    Paint { colour }
}

/// This is the companion's standard output, not a plugin's.
pub fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
