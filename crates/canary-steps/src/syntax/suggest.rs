//! The known word that a mistyped one was meant to be.

/// The nearest of `known`, where it is near enough to be meant: at most a third of its letters differ.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let distances = known.into_iter().map(|k| (distance(word, k), k));
    let (distance, near) = distances.min_by_key(|(d, _)| *d)?;
    (distance * 3 <= near.chars().count().max(3)).then_some(near)
}

/// Edits (insert, delete, replace, swap neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(128).collect(), b.chars().take(128).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_not() {
        let known = ["careful", "fast", "pause"];
        assert_eq!(nearest("carefull", known), Some("careful"));
        assert_eq!(nearest("acreful", known), Some("careful"));
        assert_eq!(nearest("pasue", known), Some("pause"));
        assert_eq!(nearest("slow", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
