//! By hand: the same engine, on a terminal.

mod check;
mod doctor;
mod explain;
mod table;
mod template;

use std::io::Write;
use std::process::ExitCode;

pub(crate) use self::check::Check;
pub(crate) use self::doctor::Doctor;
pub(crate) use self::explain::Explain;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Says what went wrong.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell when stderr is closed.
    _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::from(4)
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(())
}
