//! `fmt.Sprintf("%v", x)`.

use super::number;
use crate::value::{Datum, List, Map};

/// The value as Go prints it: `[1 2]`, `map[a:1]`, `<nil>`. A string prints its bytes.
pub(crate) fn value(datum: &Datum) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, datum);
    out
}

fn write(out: &mut Vec<u8>, datum: &Datum) {
    match datum {
        Datum::Nil => out.extend(b"<nil>"),
        Datum::Bool(b) => out.extend(b.to_string().bytes()),
        Datum::Int(n) | Datum::Int64(n) => out.extend(n.to_string().bytes()),
        Datum::Uint8(n) => out.extend(n.to_string().bytes()),
        Datum::Float(x) => out.extend(number::general(*x).bytes()),
        Datum::Text(text) => out.extend(text.as_bytes()),
        Datum::List(list) => write_list(out, list),
        Datum::Map(map) => write_map(out, map),
        // Go prints the address, which says nothing.
        Datum::Function(_) => out.extend(b"0x0"),
        Datum::Time(time) => out.extend(time.to_string().bytes()),
        Datum::Duration(n) => out.extend(crate::time::duration::print(*n).bytes()),
        Datum::Month(n) => out.extend(crate::time::month_name(*n).bytes()),
        Datum::Weekday(n) => out.extend(crate::time::weekday_name(*n).bytes()),
        Datum::Zone(zone) => out.extend(zone.name().bytes()),
        // Go prints the table of the zone's transitions.
        Datum::ZoneStruct(zone) => {
            out.push(b'{');
            out.extend(zone.name().bytes());
            out.push(b'}');
        }
    }
}

fn write_list(out: &mut Vec<u8>, list: &List) {
    out.push(b'[');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write(out, &item);
    }
    out.push(b']');
}

fn write_map(out: &mut Vec<u8>, map: &Map) {
    out.extend(b"map[");
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write(out, &key);
        out.push(b':');
        write(out, value);
    }
    out.push(b']');
}
