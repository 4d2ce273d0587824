//! The first line of a program that may be no plugin: it is read or refused, and what is read can be said again.

#![no_main]

use go_plugin::handshake::{Address, Line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let Ok(read) = Line::parse(line, 1) else { return };
    let again = Line::parse(&read.to_string(), 1).expect("what we print we read");
    match (&read.address, &again.address) {
        // Blanks at the end of a line are not part of it.
        (Address::Unix(path), Address::Unix(_)) if path.to_string_lossy().trim_end().len() < path.as_os_str().len() => {}
        _ => assert_eq!(read, again),
    }
});
