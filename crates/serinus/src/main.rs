//! `serinus`: see the library.

use allocator as _;

fn main() -> std::process::ExitCode {
    serinus::cli::run()
}
