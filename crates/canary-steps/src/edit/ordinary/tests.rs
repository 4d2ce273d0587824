//! What it reads, what it leaves, and that it reads as the parser does.

use proptest::prelude::*;

use super::*;

/// What the parser makes of it, if this reader takes it.
fn agrees(text: &str) -> bool {
    let Some(tree) = read(text) else {
        return false;
    };
    let expected = Tree::parse_any(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    for (node, expected) in tree.nodes.iter().zip(&expected.nodes) {
        assert_eq!(node, expected, "{text:?}");
    }
    assert_eq!(tree, expected, "{text:?}");
    true
}

const MANIFEST: &str = "\
# A comment
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: web   # this one
  labels: {a: b, \"c\": 'd', e: {f: [1, -2]}, g: []}
  annotations:
    long: >-
      one
      two

    script: |
      #!/bin/sh
        echo: \"x\"

      exit
    empty:
    \"quoted key\": \"a \\\"b\\\" c\\n\"
    'it''s': 'x''y' # z

spec:
  replicas:   # none
  strategy:
    canary:
      steps:
      - setWeight: 10
      - pause: {}
      - pause:
          duration: 30s
      - - a
        - b
  template:
    args: [\"--a=b:c\", x y, http://x]
    url: http://a.b/c#d
    path: /a
    negative: -1
    words: it is: not  
    - 
";

#[test]
fn ordinary_manifests_are_read() {
    let good = MANIFEST.rsplit_once("    words").unwrap().0;
    let mut text = String::new();
    for line in good.split_inclusive('\n') {
        text.push_str(line);
        agrees(&text);
        agrees(text.trim_end());
    }
    assert!(agrees(good));
}

#[test]
fn all_else_is_left_to_the_parser() {
    for text in [
        "",
        "# x\n",
        "a: &x 1\n",
        "a: *x\n",
        "a: !!str x\n",
        "a:\tb\n",
        "a: b\t\n",
        "a: b\t# c\n",
        "\u{feff}a: b\n",
        "a: \u{feff}b\n",
        "a: >-\n  b\n\n  c\n",
        "a: >\n  b\n   c\n",
        "a: |\n  b",
        "a: |\n   b\n  c\n",
        "a: |2\n  b\n",
        "a: b\r\n",
        "a: b\n  c\n",
        "- a\nb: c\n",
        "-\n  a\n",
        "a: b: c\n",
        "a: 'b\n  c'\n",
        "word\n",
        "{a: 1}\n",
        "? a\n: b\n",
        "a: b\n---\nc: d\n",
        "a: [b\n]\n",
        "%a: b\n",
        "a: \u{85}\n",
        "a: \"\\x41\"\n",
        MANIFEST,
    ] {
        assert_eq!(read(text), None, "{text:?}");
    }
    // Deeper than manifests are, and keys longer than the parser takes.
    let deep: String = (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    let list = format!("{}a: b\n", "- ".repeat(100));
    let brackets = format!("a: {}{}\n", "[".repeat(100), "]".repeat(100));
    let key = format!("{}: b\n", "k".repeat(MOST_KEY + 1));
    let inner = format!("a: {{{}: b}}\n", "k".repeat(MOST_KEY + 1));
    for text in [deep, list, brackets, key, inner] {
        assert_eq!(read(&text), None, "{text:?}");
    }
}

/// Lines as people write and mistype them.
fn line() -> impl Strategy<Value = String> {
    let indent = (0..5usize).prop_map(|n| " ".repeat(n));
    let word = prop_oneof![
        4 => "[a-c]",
        1 => "[-a-c0-9 :#,\\[\\]{}'\"|>&*!%@`?.~é\\\\]{0,6}",
        1 => prop::sample::select(vec!["", "{}", "[]", "{a: b}", "[a, b]", "{\"a\":1}", "{a: b, c: [d]}", "|", ">-", "|+", "'a b'", "\"a\\n\"", "# c", "- a", "- b: c", "-", "a:b", "---", "...", "a #b", "a: # b", "<<", "''", "\"\""]).prop_map(str::to_owned),
    ];
    let form = prop::sample::select(vec!["", "K:", "K: ", "- ", "- K: ", "-", "  ", "K:  "]);
    (
        indent,
        form,
        word.clone(),
        word,
        prop::sample::select(vec!["", "", " ", " # c"]),
    )
        .prop_map(|(indent, form, key, value, behind)| {
            format!("{indent}{}{value}{behind}", form.replace('K', &key))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever this reader takes, it reads as the parser does.
    #[test]
    fn both_read_the_same(lines in prop::collection::vec(line(), 1..8), end in prop::sample::select(vec!["\n", "", "\n\n"])) {
        agrees(&format!("{}{end}", lines.join("\n")));
    }

    /// A manifest with one place mistyped.
    #[test]
    fn both_read_mistyped_manifests_the_same(at in 0..MANIFEST.len(), drop in 0..4usize, new in "[-a-c0 :#,\\[\\]{}'\"|>\n]{0,3}") {
        let good = MANIFEST.rsplit_once("    words").unwrap().0;
        let at = at.min(good.len());
        let end = (at + drop).min(good.len());
        agrees(&format!("{}{new}{}", &good[..at], &good[end..]));
    }
}
