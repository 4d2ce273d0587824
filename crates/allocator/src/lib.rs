//! The memory of our binaries: mimalloc, because musl's own allocator is slow where threads share it. Whoever depends on
//! this crate and names it has it.
//!
//! It follows `mimalloc.h` of mimalloc 3.
//!
//! ```
//! allocator::give_back_after(std::time::Duration::from_millis(100));
//! ```

use std::ffi::{c_int, c_long};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, in milliseconds; the number is the same in mimalloc's versions 2 and 3.
const PURGE_DELAY: c_int = 15;

#[expect(
    unsafe_code,
    reason = "mimalloc's own declaration: any number is taken, unknown options are passed over"
)]
unsafe extern "C" {
    safe fn mi_option_set_default(option: c_int, value: c_long);
}

/// Sets how long freed memory is kept for the next who wants some, where mimalloc's own default is a second: whoever frees
/// nothing more after that gives nothing back. Shorter costs time. Zero is allowed. The variable `MIMALLOC_PURGE_DELAY`
/// is stronger.
pub fn give_back_after(delay: Duration) {
    let milliseconds = c_long::try_from(delay.as_millis()).unwrap_or(c_long::MAX);
    mi_option_set_default(PURGE_DELAY, milliseconds);
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
    fn the_number_is_that_of_the_purge_delay_and_the_variable_is_stronger() {
        const NAME: &str = "MIMALLOC_PURGE_DELAY";
        const VALUE: &str = "12345";
        give_back_after(Duration::from_millis(7));
        if std::env::var_os(NAME).is_some_and(|value| value == VALUE) {
            assert_eq!(mi_option_get(PURGE_DELAY).to_string(), VALUE);
            return;
        }
        assert_eq!(mi_option_get(PURGE_DELAY), 7);
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "tests::the_number_is_that_of_the_purge_delay_and_the_variable_is_stronger",
            ])
            .env(NAME, VALUE)
            .output()
            .unwrap();
        assert!(again.status.success(), "{again:?}");
    }
}
