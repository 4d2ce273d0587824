//! `argocd-cmp-canary-steps`: see the library.

/// musl's own allocator is slow where threads share it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    canary_steps::cli::run()
}
