//! Manifests as one stream on stdout, for `argocd-cmp-server` and for the next program of a pipe.

use crate::edit::{Form, split};

/// Joins manifests so that each document is read as it was alone.
pub(super) fn join(manifests: &[String]) -> String {
    let mut out = String::new();
    for manifest in manifests {
        let documents = split(manifest).unwrap_or_default();
        if documents.iter().any(|d| d.form == Form::Json) {
            // JSON values that follow each other without a separator are a JSON stream only at the very beginning.
            for document in documents {
                push(&mut out, &manifest[document.range]);
            }
        } else {
            push(&mut out, manifest);
        }
    }
    out
}

fn push(out: &mut String, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    let begins_as_json = out.is_empty() && text.trim_start().starts_with('{');
    if (!out.is_empty() || begins_as_json) && !text.starts_with("---") {
        out.push_str("---\n");
    }
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    #[test]
    fn documents_stay_apart() {
        let join = |texts: &[&str]| super::join(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            join(&["a: 1\n", "b: 2", "", "---\nc: 3\n"]),
            "a: 1\n---\nb: 2\n---\nc: 3\n"
        );
        assert_eq!(
            join(&["{\"a\":1}{\"b\":2}", "c: 3\n"]),
            "---\n{\"a\":1}\n---\n{\"b\":2}\n---\nc: 3\n"
        );
        // One manifest is handed over as it is.
        assert_eq!(join(&["# x\na: 1\n---\nb: 2\n"]), "# x\na: 1\n---\nb: 2\n");
    }
}
