//! `argocd-cmp-canary-steps`: see the library.

use std::ffi::{c_int, c_long};

/// musl's own allocator is slow where threads share it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's `mimalloc.h`, in milliseconds; the number is the same in its versions 2 and 3.
const PURGE_DELAY: c_int = 15;

#[expect(
    unsafe_code,
    reason = "mimalloc's own declaration: any number is taken, unknown options are passed over"
)]
unsafe extern "C" {
    safe fn mi_option_set_default(option: c_int, value: c_long);
}

fn main() -> std::process::ExitCode {
    // What requests have freed goes back to the system while others still run, not after a second, when there may be none
    // left to give it back. Shorter costs time: the next request wants the memory again. The variable
    // MIMALLOC_PURGE_DELAY is stronger.
    mi_option_set_default(PURGE_DELAY, 100);
    canary_steps::cli::run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(unsafe_code, reason = "as above")]
    unsafe extern "C" {
        safe fn mi_option_get(option: c_int) -> c_long;
    }

    /// mimalloc takes options from variables by their names, so a value under a name shows which number that is.
    #[test]
    fn the_number_is_that_of_the_purge_delay() {
        const NAME: &str = "MIMALLOC_PURGE_DELAY";
        const VALUE: &str = "12345";
        if std::env::var_os(NAME).is_some_and(|value| value == VALUE) {
            assert_eq!(mi_option_get(PURGE_DELAY).to_string(), VALUE);
            return;
        }
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::the_number_is_that_of_the_purge_delay"])
            .env(NAME, VALUE)
            .output()
            .unwrap();
        assert!(again.status.success(), "{again:?}");
    }
}
