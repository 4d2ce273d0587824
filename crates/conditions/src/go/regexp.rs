//! `regexp`: Go's syntax, matched by the `regex` crate.
//!
//! Both engines are of the same family, their syntaxes differ: Go's `\d`, `\w`, `\s` and `\b` are ASCII, `\Q…\E` quotes,
//! octal escapes exist, `x**` is an error, `&&` inside a class is two characters, and only some names of `\p{…}` are
//! known. The pattern is therefore read as Go reads it and written again so that `regex` cannot misunderstand it.
//!
//! One difference stays: a pattern of nothing but `\B`s may match inside a character that is not ASCII.

mod class;
mod translate;

use regex::bytes::{Regex, RegexBuilder};

use self::translate::Translator;

/// Groups within groups (`maxHeight` in `regexp/syntax/parse.go`).
const MAX_HEIGHT: usize = 1000;
/// What a compiled pattern and its caches may take, in bytes. Go allows 128 MiB.
const MAX_SIZE: usize = 1 << 20;
/// What a pattern may weigh, and all the patterns of a condition together. About as many states fit into that size.
pub(crate) const MAX_WEIGHT: usize = 20_000;

/// A compiled pattern, and what it costs.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// About how many states the pattern has: what a character of a text costs at worst. At most [`MAX_WEIGHT`].
    pub(crate) weight: usize,
}

/// # Errors
/// What is wrong with the pattern, as Go says it.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
    let (written, weight) = Translator::new(pattern).translate()?;
    let built = RegexBuilder::new(&written)
        .size_limit(MAX_SIZE)
        .dfa_size_limit(MAX_SIZE)
        .nest_limit(4 * MAX_HEIGHT as u32)
        .build();
    match built {
        Ok(regex) => Ok(Pattern { regex, weight }),
        Err(regex::Error::CompiledTooBig(_)) => Err(too_large(pattern)),
        // The translation leaves nothing else to refuse.
        Err(other) => Err(failed(&other.to_string(), pattern)),
    }
}

fn failed(why: &str, part: &str) -> String {
    format!("error parsing regexp: {why}: `{part}`")
}

fn too_large(pattern: &str) -> String {
    failed("expression too large", pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_go_does() {
        for (pattern, text, expected) in [
            ("^h.*d$", "hello world", true),
            ("(?i)^ok$", "OK", true),
            (r"^\d+$", "٣", false),
            (r"\w", "é", false),
            (r"^\s$", "\u{0b}", false),
            ("^[[:space:]]$", "\u{0b}", true),
            ("^[a&&b]$", "&", true),
            ("^[]a]$", "]", true),
            ("^[^a]$", "\n", true),
            ("^.$", "\n", false),
            ("(?s)^.$", "\n", true),
            ("(?m)^b$", "a\nb", true),
            ("^a$", "a\n", false),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\101\x41\x{41}$", "AAA", true),
            ("a{,2}", "a{,2}", true),
            ("^a{2}$", "aa", true),
            (r"^\p{Greek}\pL$", "αa", true),
            (r"^\p{^Greek}$", "a", true),
            (r"^\p{Letter}$", "a", true),
            ("(?i)^k$", "\u{212a}", true),
            ("(?i:a)b", "Ab", true),
            ("(?i:a)b", "AB", false),
            ("^a**$", "", false),
            ("(?P<n>x)(?<m>y)", "xy", true),
            ("^*", "", true),
            ("^x(?i)*y$", "XY", false),
            ("^x(?i)*y$", "xxY", true),
            (r"\bé", "é", false),
            ("a|b|", "", true),
        ] {
            match compile(pattern) {
                Ok(regex) => assert_eq!(
                    regex.regex.is_match(text.as_bytes()),
                    expected,
                    "{pattern} on {text:?}"
                ),
                Err(_) => assert!(!expected, "{pattern}"),
            }
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for pattern in [
            "(",
            ")",
            "[",
            "[a",
            "a**",
            "a{2}{3}",
            "*",
            "a{1001}",
            "(a{100}){100}",
            "a{2,1}",
            r"\8",
            r"\1",
            r"\q",
            r"\",
            r"\x{110000}",
            "(?",
            "(?z)",
            "(?-)",
            "(?P<>a)",
            "(?P=n)",
            "(?=a)",
            r"\p{Nope}",
            r"\p{Alphabetic}",
            "[z-a]",
            "[[:nope:]]",
            r"[a-\d]",
            r"\C",
            r"\Z",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn large_patterns_are_errors() {
        assert!(compile(r"(\pL{1,1000}){1}").is_err_and(|why| why.contains("too large")));
        assert!(compile(&"(".repeat(5000)).is_err());
        assert!(compile(r"((a{10}){10}){10}").is_ok());
        for pattern in [
            r"(\pL{10}){60}",
            &r"\p{Greek}".repeat(10_000),
            &format!("[{}]", r"\pL".repeat(10_000)),
            &"a".repeat(20_000),
        ] {
            assert!(compile(pattern).is_err_and(|why| why.contains("too large")));
        }
    }
}
