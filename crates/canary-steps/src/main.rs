//! `argocd-cmp-canary-steps`: see the library.

use std::time::Duration;

fn main() -> std::process::ExitCode {
    // What requests have freed goes back while others still run; sooner, and the next request wants it again.
    allocator::give_back_after(Duration::from_millis(100));
    canary_steps::cli::run()
}
