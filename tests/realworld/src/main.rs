//! `realworld`: see the crate's documentation and `tests/realworld/README.md`.

use std::process::ExitCode;

fn main() -> ExitCode {
    realworld::cli::main()
}
