//! Colours for a terminal, or none.

/// Whether and how text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Write escape sequences.
    pub colour: bool,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Headings.
    Strong,
    /// Of less interest.
    Dim,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// The canary, which is yellow.
    Canary,
    /// The stable version.
    Stable,
}

impl Paint {
    /// The text in that tone.
    pub fn text(self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Canary => "33",
            Tone::Stable => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Cuts a line to so many columns, counting neither escape sequences nor losing the one that ends a colour.
pub fn fit(line: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            out.push(c);
            for c in chars.by_ref() {
                out.push(c);
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if used < columns {
            out.push(if c.is_control() { ' ' } else { c });
            used += 1;
        }
    }
    out
}

/// `12,345`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `20 %`, `12.5 %`, `0.1 %`
pub fn percent(share: f64) -> String {
    let value = (share * 100_000.0).round() / 1000.0;
    format!("{value} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits() {
        let cases = [
            ("plain", 3, "pla"),
            ("a\x1b[1mbc\x1b[0md", 2, "a\x1b[1mb\x1b[0m"),
            ("tab\there", 8, "tab here"),
        ];
        for (line, columns, want) in cases {
            assert_eq!(fit(line, columns), want, "{line:?}");
        }
    }

    #[test]
    fn numbers() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        assert!(cases.iter().all(|(n, want)| thousands(*n) == *want));
        let cases = [
            (0.2, "20 %"),
            (0.125, "12.5 %"),
            (0.001, "0.1 %"),
            (1.0, "100 %"),
            (0.199_999_999, "20 %"),
        ];
        for (share, want) in cases {
            assert_eq!(percent(share), want);
        }
    }
}
