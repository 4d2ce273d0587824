//! A stream of anything, read into dynamic values.

#![no_main]

use gob::{Limits, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    // With the defaults a small input may ask for much work that is legitimate.
    let limits = Limits { elements: 1 << 14, ..Limits::default() };
    let mut reader = Reader::with_limits(stream, limits);
    while let Ok(Some(value)) = reader.next_value() {
        assert!(!value.to_string().is_empty());
        serde_json::to_string(&value).ok();
    }
});
