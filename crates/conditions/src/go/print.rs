//! `fmt.Sprintf("%v", x)`.

use super::{number, utf8};
use crate::time::{duration, month_name, weekday_name};
use crate::value::{Datum, List, Map};

/// The value as Go prints it: `[1 2]`, `map[a:1]`, `<nil>`. A string prints its bytes.
pub(crate) fn value(datum: &Datum) -> Vec<u8> {
    let mut printer = Printer {
        out: Vec::new(),
        enough: usize::MAX,
    };
    printer.value(datum);
    printer.out
}

/// The beginning of that, for a message.
pub(crate) fn short(datum: &Datum) -> String {
    const ENOUGH: usize = 100;

    let mut printer = Printer {
        out: Vec::new(),
        enough: ENOUGH,
    };
    printer.value(datum);
    let printed = utf8::lossy(&printer.out);
    match printed.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", &printed[..end]),
        None => printed.into_owned(),
    }
}

struct Printer {
    out: Vec<u8>,
    /// Nobody reads further than this.
    enough: usize,
}

impl Printer {
    fn push(&mut self, text: &str) {
        self.out.extend(text.bytes());
    }

    fn value(&mut self, datum: &Datum) {
        match datum {
            Datum::Nil => self.push("<nil>"),
            Datum::Bool(b) => self.push(&b.to_string()),
            Datum::Int(n) | Datum::Int64(n) => self.push(&n.to_string()),
            Datum::Uint8(n) => self.push(&n.to_string()),
            Datum::Float(x) => self.push(&number::general(*x)),
            Datum::Text(text) => {
                let bytes = text.as_bytes();
                self.out
                    .extend(&bytes[..bytes.len().min(self.enough.saturating_mul(4))]);
            }
            Datum::List(list) => self.list(list),
            Datum::Map(map) => self.map(map),
            // Go prints the address, which says nothing.
            Datum::Function(_) => self.push("0x0"),
            Datum::Time(time) => self.push(&time.to_string()),
            Datum::Duration(n) => self.push(&duration::print(*n)),
            Datum::Month(n) => self.push(&month_name(*n)),
            Datum::Weekday(n) => self.push(&weekday_name(*n)),
            Datum::Zone(zone) => self.push(zone.name()),
            Datum::ZoneStruct(zone) if zone.is_utc() => self.push("{UTC [] []  0 0 <nil>}"),
            // Go prints the table of the zone's transitions, and an address.
            Datum::ZoneStruct(zone) => self.push(&format!("{{{}}}", zone.name())),
        }
    }

    fn list(&mut self, list: &List) {
        self.push("[");
        for (index, item) in list.iter().enumerate() {
            if self.out.len() > self.enough {
                return;
            }
            if index > 0 {
                self.push(" ");
            }
            self.value(&item);
        }
        self.push("]");
    }

    fn map(&mut self, map: &Map) {
        self.push("map[");
        for (index, (key, value)) in map.iter().enumerate() {
            if self.out.len() > self.enough {
                return;
            }
            if index > 0 {
                self.push(" ");
            }
            self.value(&key);
            self.push(":");
            self.value(value);
        }
        self.push("]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_the_beginning() {
        assert_eq!(short(&Datum::list(List::range(1, 3))), "[1 2 3]");
        let long = short(&Datum::list(List::range(0, 1_000_000)));
        assert!(
            long.starts_with("[0 1 2 ") && long.ends_with('…') && long.chars().count() == 101,
            "{long}"
        );
        assert_eq!(short(&Datum::text("é".repeat(1000))).chars().count(), 101);
    }
}
