//! `math.Pow`, whose last digit is its algorithm's.

/// Go's to the last bit, as it is on amd64 with FMA: successive squarings, and for a fraction of the exponent Go's own
/// exponential and logarithm.
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
        mantissa = exp(fraction * ln(x));
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

/// `math.Exp` for what a power makes of it, which is never beyond ±400: `exp_amd64.s`, `avxfma`.
#[expect(
    clippy::excessive_precision,
    reason = "a reader finds them in Go's source as they are here"
)]
fn exp(x: f64) -> f64 {
    /// The upper and the lower half of the logarithm of 2.
    const LN2: (f64, f64) = (
        0.693_147_180_559_662_956_511_601_805_686_950_683_593_75,
        0.282_352_905_630_315_771_225_884_481_750_134_360_255_254_120_68e-12,
    );
    /// From 1/8! to 1/1!.
    const TAYLOR: [f64; 8] = [
        2.480_158_730_158_730_158_7e-5,
        1.984_126_984_126_984_127_0e-4,
        1.388_888_888_888_888_888_9e-3,
        8.333_333_333_333_333_333_3e-3,
        4.166_666_666_666_666_666_7e-2,
        1.666_666_666_666_666_666_7e-1,
        0.5,
        1.0,
    ];
    let doublings = (x * std::f64::consts::LOG2_E).round_ties_even();
    let rest = (-doublings).mul_add(LN2.1, (-doublings).mul_add(LN2.0, x)) * 0.0625;
    let series = TAYLOR[1..]
        .iter()
        .fold(TAYLOR[0], |sum, term| rest.mul_add(sum, *term));
    // exp(x) - 1 of a sixteenth, and from there by squaring.
    let mut less_one = rest * series;
    for _ in 0..3 {
        less_one *= less_one + 2.0;
    }
    let fraction = (less_one + 2.0).mul_add(less_one, 1.0);
    ldexp(fraction, doublings as i64)
}

/// `math.Log` of a number above 0: `log_amd64.s`, which takes the exponent of a subnormal number for the smallest one.
#[expect(
    clippy::excessive_precision,
    reason = "a reader finds them in Go's source as they are here"
)]
fn ln(x: f64) -> f64 {
    const LN2: (f64, f64) = (6.931_471_803_691_238_164_90e-1, 1.908_214_929_270_587_700_02e-10);
    const L: [f64; 7] = [
        6.666_666_666_666_735_130e-1,
        3.999_999_999_940_941_908e-1,
        2.857_142_874_366_239_149e-1,
        2.222_219_843_214_978_396e-1,
        1.818_357_216_161_805_012e-1,
        1.531_383_769_920_937_332e-1,
        1.479_819_860_511_658_591e-1,
    ];
    let bits = x.to_bits();
    let mut fraction = f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52);
    let mut k = (bits >> 52 & 0x7ff) as f64 - 1022.0;
    if fraction <= std::f64::consts::FRAC_1_SQRT_2 {
        k -= 1.0;
        fraction *= 2.0;
    }
    let f = fraction - 1.0;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let t1 = s2 * (L[0] + s4 * (L[2] + s4 * (L[4] + s4 * L[6])));
    let t2 = s4 * (L[1] + s4 * (L[3] + s4 * L[5]));
    let half_square = 0.5 * f * f;
    k * LN2.0 - ((half_square - (s * (half_square + (t1 + t2)) + k * LN2.1)) - f)
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
            // Where the last bit is not that of the nearest number, as Go 1.26 has it.
            (3.0, -2.5, 0.064_150_029_909_958_43),
            (3.0, 2.5, 15.588_457_268_119_894),
            (1.5, 2.5, 2.755_675_960_631_075_7),
            (1.5, 1.5, 1.837_117_307_087_383_6),
            (1.5, -2.5, 0.362_887_369_301_211_5),
            (1e21, 1.5, 3.162_277_660_168_377e31),
            (1e21, 2.5, 3.162_277_660_168_377e52),
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
