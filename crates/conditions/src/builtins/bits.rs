//! Operations on the bits of integers.

use super::Builtin;
use crate::error::Fault;
use crate::value::Datum;

pub(super) fn binary(builtin: Builtin, arguments: &[Datum]) -> Result<Datum, Box<Fault>> {
    let [x, y] = [&arguments[0], &arguments[1]].map(|x| integer(builtin, x));
    let (x, y) = (x?, y?);
    // Go shifts by any number; Rust wraps the number around at 64.
    let distance = u32::try_from(y).ok().filter(|distance| *distance < 64);
    let shifts = matches!(builtin, Builtin::BitShl | Builtin::BitShr | Builtin::BitUshr);
    if shifts && y < 0 {
        return Err(Fault::run(format!(
            "invalid operation: negative shift count {y} (type int)"
        )));
    }
    Ok(Datum::Int(match builtin {
        Builtin::BitAnd => x & y,
        Builtin::BitOr => x | y,
        Builtin::BitXor => x ^ y,
        Builtin::BitNand => x & !y,
        Builtin::BitShl => distance.map_or(0, |distance| x << distance),
        Builtin::BitShr => distance.map_or(x >> 63, |distance| x >> distance),
        _ => distance.map_or(0, |distance| (x as u64 >> distance) as i64),
    }))
}

pub(super) fn not(x: &Datum) -> Result<Datum, Box<Fault>> {
    Ok(Datum::Int(!integer(Builtin::BitNot, x)?))
}

fn integer(builtin: Builtin, x: &Datum) -> Result<i64, Box<Fault>> {
    x.as_int().ok_or_else(|| {
        Fault::run(format!(
            "cannot use {} as argument (type int) to call {}",
            x.go_type(),
            builtin.name()
        ))
    })
}
