//! Any text as Go declarations, and the zero values of what it declares.

#![no_main]

use gob::{Encoder, Limits, Reader, Schema};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(schema) = Schema::parse(text) else { return };
    let limits = Limits { message: 1 << 16, ..Limits::default() };
    for name in text.split(|c: char| !c.is_alphanumeric()) {
        let Some(ty) = schema.ty(name) else { continue };
        let mut stream = Vec::new();
        if Encoder::with_limits(limits.clone()).encode(ty, &(), &mut stream).is_ok() {
            let mut reader = Reader::new(&stream[..]);
            while reader.next_value().expect("what we wrote can be read").is_some() {}
        }
    }
});
