//! `math.Pow`, whose last digit is its algorithm's.

/// Powers with a whole exponent are Go's to the last bit: successive squarings. A fractional exponent goes through the
/// exponential and the logarithm of the platform, which may differ from Go's in the last bit.
pub(crate) fn pow(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if y == 1.0 {
        return x;
    }
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if x == 0.0 {
        let odd = x.is_sign_negative() && is_odd(y);
        return match (y < 0.0, odd) {
            (true, true) => f64::NEG_INFINITY,
            (true, false) => f64::INFINITY,
            (false, true) => x,
            (false, false) => 0.0,
        };
    }
    if y.is_infinite() {
        return limit(x, y > 0.0);
    }
    if x.is_infinite() {
        if x < 0.0 {
            return pow(1.0 / x, -y);
        }
        return if y < 0.0 { 0.0 } else { f64::INFINITY };
    }
    if y == 0.5 {
        return x.sqrt();
    }
    if y == -0.5 {
        return 1.0 / x.sqrt();
    }

    let (mut whole, mut fraction) = (y.abs().trunc(), y.abs().fract());
    if fraction != 0.0 && x < 0.0 {
        return f64::NAN;
    }
    if whole >= 9_223_372_036_854_775_808.0 {
        return limit(x, y > 0.0);
    }
    let (mut mantissa, mut exponent) = (1.0, 0_i64);
    if fraction != 0.0 {
        if fraction > 0.5 {
            fraction -= 1.0;
            whole += 1.0;
        }
        mantissa = (fraction * x.ln()).exp();
    }
    let (mut square, mut square_exponent) = frexp(x);
    let mut bits = whole as i64;
    while bits != 0 {
        if !(-(1 << 12)..=1 << 12).contains(&square_exponent) {
            // Out of range whatever follows.
            exponent += square_exponent;
            break;
        }
        if bits & 1 == 1 {
            mantissa *= square;
            exponent += square_exponent;
        }
        square *= square;
        square_exponent <<= 1;
        if square < 0.5 {
            square += square;
            square_exponent -= 1;
        }
        bits >>= 1;
    }
    if y < 0.0 {
        mantissa = 1.0 / mantissa;
        exponent = -exponent;
    }
    ldexp(mantissa, exponent)
}

/// The power with an exponent without bounds.
fn limit(x: f64, up: bool) -> f64 {
    if x == -1.0 {
        1.0
    } else if (x.abs() < 1.0) == up {
        0.0
    } else {
        f64::INFINITY
    }
}

fn is_odd(y: f64) -> bool {
    // From 2^53 on every float is even.
    y.abs() < 9_007_199_254_740_992.0 && y.fract() == 0.0 && (y as i64) & 1 == 1
}

/// A fraction in [0.5, 1) and a power of two.
fn frexp(x: f64) -> (f64, i64) {
    let (x, shift) = if x.abs() < f64::MIN_POSITIVE {
        (x * 2_f64.powi(52), -52)
    } else {
        (x, 0)
    };
    let bits = x.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i64 - 1022;
    let fraction = f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52);
    (fraction, exponent + shift)
}

/// `x * 2^exponent`, rounded once.
fn ldexp(x: f64, exponent: i64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let (fraction, own) = frexp(x);
    let exponent = exponent.saturating_add(own);
    if exponent < -1074 {
        return 0.0_f64.copysign(x);
    }
    if exponent > 1024 {
        return f64::INFINITY.copysign(x);
    }
    if exponent < -1021 {
        // Subnormal: the last multiplication rounds.
        return fraction * 2_f64.powi(exponent as i32 + 53) * 2_f64.powi(-53);
    }
    fraction * 2.0 * 2_f64.powi(exponent as i32 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers() {
        for (x, y, expected) in [
            (2.0, 10.0, 1024.0),
            (2.0, -1074.0, 5e-324),
            (2.0, 1024.0, f64::INFINITY),
            (-2.0, 3.0, -8.0),
            (-8.0, 1.0 / 3.0, f64::NAN),
            (-0.0, -3.0, f64::NEG_INFINITY),
            (0.5, f64::INFINITY, 0.0),
            (-1.0, 1e300, 1.0),
            (4.0, 0.5, 2.0),
            (5e-324, 1.5, 0.0),
            (1.1, 2.0, 1.1 * 1.1),
        ] {
            let power = pow(x, y);
            assert!(
                power == expected || power.is_nan() && expected.is_nan(),
                "{x}^{y} is {power}"
            );
        }
    }
}
