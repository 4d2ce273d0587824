//! Places in lines of text.

/// Behind the colon of a key that ends at `at`; `None` where a colon does not follow on its line.
pub(super) fn colon_end(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    rest[blank..].starts_with(':').then_some(at + blank + 1)
}

/// Behind a comment on the key's own line, where the value begins on a later one; else behind the colon.
pub(super) fn behind_comment(text: &str, colon: usize, value_start: usize) -> usize {
    let line = text[colon..].find('\n').map_or(text.len(), |n| colon + n);
    let rest = text[colon..line].trim_end_matches('\r');
    if value_start > line && rest.trim_start().starts_with('#') {
        colon + rest.len()
    } else {
        colon
    }
}

pub(crate) fn only_comment(rest_of_line: &str) -> bool {
    let rest = rest_of_line.trim();
    rest.is_empty() || rest.starts_with('#')
}

pub(crate) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |n| n + 1)
}

/// Columns in front of `at`; `None` where something else than ASCII stands there, whose width YAML counts otherwise.
pub(crate) fn column(text: &str, at: usize) -> Option<usize> {
    let before = &text[line_start(text, at)..at];
    before.is_ascii().then_some(before.len())
}

/// How lines end around `at`.
pub(crate) fn line_end(text: &str, at: usize) -> &'static str {
    let line = text[at..].find('\n').map(|n| &text[..at + n]);
    if line.is_some_and(|l| l.ends_with('\r')) {
        "\r\n"
    } else {
        "\n"
    }
}
