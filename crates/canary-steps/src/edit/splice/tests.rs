//! What becomes of texts.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::super::tree::Tree;
use super::super::value;
use super::*;

fn steps(to: Option<Value>) -> Change {
    let path = ["spec", "strategy", "canary", "steps"].map(String::from).to_vec();
    Change { path, to }
}

fn new_steps() -> Option<Value> {
    Some(json!([{"setWeight": 5}, {"pause": {"duration": "1m"}}]))
}

fn check(text: &str, change: &Change, expected: &Expect) {
    expected.assert_eq(&apply(text, &[], change).unwrap());
}

const BLOCK: &str = "\
# front
kind: Rollout   # kept
spec:
  strategy:
    canary:
      maxSurge: '25%'
      # about the steps
      steps:   # kept too
      - setWeight: 20
      # between
      - pause: {duration: 30}
        # deeper
      # after
      maxUnavailable: 0

  replicas: 0x3
";

#[test]
fn block_steps_are_replaced() {
    check(
        BLOCK,
        &steps(new_steps()),
        &expect![[r#"
        # front
        kind: Rollout   # kept
        spec:
          strategy:
            canary:
              maxSurge: '25%'
              # about the steps
              steps:   # kept too
              - setWeight: 5
              - pause:
                  duration: 1m
                # deeper
              # after
              maxUnavailable: 0

          replicas: 0x3
    "#]],
    );
}

#[test]
fn block_steps_are_deleted() {
    check(
        BLOCK,
        &steps(None),
        &expect![[r#"
        # front
        kind: Rollout   # kept
        spec:
          strategy:
            canary:
              maxSurge: '25%'
              # about the steps
              # after
              maxUnavailable: 0

          replicas: 0x3
    "#]],
    );
}

#[test]
fn steps_are_added_to_a_block() {
    check(
        "spec:\n  strategy:\n    canary:\n      # first\n      maxSurge: 1\n",
        &steps(new_steps()),
        &expect![[r#"
        spec:
          strategy:
            canary:
              # first
              steps:
              - setWeight: 5
              - pause:
                  duration: 1m
              maxSurge: 1
    "#]],
    );
}

#[test]
fn an_empty_canary_takes_steps_in_each_of_its_forms() {
    for empty in [
        "canary: {}",
        "canary:",
        "canary: null",
        "canary: ~",
        "canary: {}   # why",
        "canary:   # why",
    ] {
        let text = format!("spec:\n  strategy:\n    {empty}\n  replicas: 1\n");
        let new = apply(&text, &[], &steps(new_steps())).unwrap();
        assert!(
            new.contains("canary:") && new.contains("- setWeight: 5\n"),
            "{new}"
        );
        assert!(new.ends_with("\n  replicas: 1\n"), "{new}");
    }
}

#[test]
fn the_last_field_leaves_an_empty_mapping_and_not_null() {
    check(
        "spec:\n  strategy:\n    canary:   # c\n      steps:\n      - pause: {}\n  x: 1\n",
        &steps(None),
        &expect![[r#"
        spec:
          strategy:
            canary: {}   # c
          x: 1
    "#]],
    );
}

#[test]
fn flow_steps() {
    let flow = "spec: {strategy: {canary: {maxSurge: 1, steps: [ {setWeight: 20} ], x: y}}}\n";
    check(
        flow,
        &steps(new_steps()),
        &expect![[r#"
        spec: {strategy: {canary: {maxSurge: 1, steps: [{"setWeight":5},{"pause":{"duration":"1m"}}], x: y}}}
    "#]],
    );
    check(
        flow,
        &steps(None),
        &expect![[r#"
        spec: {strategy: {canary: {maxSurge: 1, x: y}}}
    "#]],
    );
    check(
        "spec: {strategy: {canary: {a: 1, steps: [] }}}\n",
        &steps(None),
        &expect![[r#"
        spec: {strategy: {canary: {a: 1 }}}
    "#]],
    );
    check(
        "spec: {strategy: {canary: {steps: []}}}\n",
        &steps(None),
        &expect![[r#"
        spec: {strategy: {canary: {}}}
    "#]],
    );
    check(
        "spec: {strategy: {canary: {}}}\n",
        &steps(new_steps()),
        &expect![[r#"
        spec: {strategy: {canary: {"steps":[{"setWeight":5},{"pause":{"duration":"1m"}}]}}}
    "#]],
    );
    check(
        "spec: {strategy: {canary: { maxSurge: 1 }}}\n",
        &steps(new_steps()),
        &expect![[r#"
        spec: {strategy: {canary: { "steps": [{"setWeight":5},{"pause":{"duration":"1m"}}], maxSurge: 1 }}}
    "#]],
    );
}

#[test]
fn json_stays_json() {
    let text = "{\n\t\"spec\": {\n\t\t\"strategy\": {\"canary\": {\"maxSurge\": 1,\n\t\t\t\"steps\": [{\"setWeight\": 1}]\n\t\t}}\n\t}\n}\n";
    for to in [new_steps(), None] {
        let new = apply(text, &[], &steps(to)).unwrap();
        assert!(serde_json::from_str::<Value>(&new).is_ok(), "{new}");
        assert!(
            new.starts_with("{\n\t\"spec\": {\n\t\t\"strategy\": {\"canary\": {\"maxSurge\": 1"),
            "{new}"
        );
    }
}

#[test]
fn an_alias_in_place_of_steps_is_replaced() {
    let text = "x: &s\n- setWeight: 1\nspec:\n  strategy:\n    canary:\n      steps: *s  # c\n      y: *s\n";
    check(
        text,
        &steps(new_steps()),
        &expect![[r#"
        x: &s
        - setWeight: 1
        spec:
          strategy:
            canary:
              steps:
              - setWeight: 5
              - pause:
                  duration: 1m  # c
              y: *s
    "#]],
    );
}

#[test]
fn an_anchor_that_goes_with_the_steps_is_written_out_where_it_is_used() {
    let text = "spec:\n  strategy:\n    canary:\n      steps: &s\n      - pause: &p {duration: 5}\n      a: 1\nb: *s\nc: *p\n";
    check(
        text,
        &steps(None),
        &expect![[r#"
        spec:
          strategy:
            canary:
              a: 1
        b: [{"pause":{"duration":5}}]
        c: {"duration":5}
    "#]],
    );
}

#[test]
fn merged_steps_are_taken_out_of_their_mapping() {
    let text = "base: &b\n  steps:\n  - pause: {}\n  maxSurge: 1\nspec:\n  strategy:\n    canary:\n      <<: *b\n      x: 2\n  z: 3  # kept\n";
    check(
        text,
        &steps(None),
        &expect![[r#"
        base: &b
          steps:
          - pause: {}
          maxSurge: 1
        spec:
          strategy:
            canary: {"maxSurge":1,"x":2}
          z: 3  # kept
    "#]],
    );
}

#[test]
fn merged_steps_are_beaten_by_a_key_behind_the_merge() {
    let base = "base: &b\n  steps:\n  - pause: {}\n";
    let block = "\n      steps:\n      - setWeight: 5\n      - pause:\n          duration: 1m";
    let flow = r#", "steps": [{"setWeight":5},{"pause":{"duration":"1m"}}]"#;
    let cases = [
        ("a block", "      <<: *b", block, "\n      x: 2   # kept\nz: 3\n"),
        ("nothing else, without an end of line", "      <<: *b", block, ""),
        (
            "a comment",
            "      x: 2\n      <<: *b   # the usual",
            block,
            "\n      # below\n",
        ),
        (
            "a mapping on later lines",
            "      <<:\n        steps: [1]\n        y: 1",
            block,
            "\n      x: 2\n",
        ),
        ("a list", "      <<: [*b, {x: 1}]", block, "\n      y: 2\n"),
        (
            "two merges",
            "      <<: *b\n      <<: {steps: 1}",
            block,
            "\n      y: 2\n",
        ),
        ("in one line", "        {<<: *b", flow, ", x: 2} # kept\nz: 3\n"),
        (
            "in one line, the last entry",
            "        {x: 2, <<: *b",
            flow,
            " }\n",
        ),
    ];
    for (name, before, new, after) in cases {
        let text = |new: &str| format!("{base}spec:\n  strategy:\n    canary:\n{before}{new}{after}");
        assert_eq!(
            apply(&text(""), &[], &steps(new_steps())).as_deref(),
            Ok(&*text(new)),
            "{name}"
        );
    }
    let windows = "spec:\r\n  strategy:\r\n    canary:\r\n      <<: {steps: 1}\r\n      x: 2\r\n";
    assert_eq!(
        apply(windows, &[], &steps(Some(json!([1])))).unwrap(),
        windows.replace("1}\r\n", "1}\r\n      steps:\r\n      - 1\r\n")
    );
}

#[test]
fn an_aliased_canary_is_written_out() {
    let text = "base: &b\n  maxSurge: 1\nspec:\n  strategy:\n    canary: *b\n";
    check(
        text,
        &steps(new_steps()),
        &expect![[r#"
        base: &b
          maxSurge: 1
        spec:
          strategy:
            canary: {"maxSurge":1,"steps":[{"setWeight":5},{"pause":{"duration":"1m"}}]}
    "#]],
    );
}

#[test]
fn a_text_before_the_steps_does_not_grow_when_they_go() {
    // Left behind, the comment would become part of the text.
    let text = "spec:\n  strategy:\n    canary:\n      foo: |+\n        text\n      steps:\n      - setWeight: 5\n        # not text\n\n      bar: 1\n";
    let new = apply(text, &[], &steps(None)).unwrap();
    let tree = Tree::parse(&new).unwrap();
    assert_eq!(
        value::resolve(&tree).unwrap()["spec"]["strategy"]["canary"],
        json!({"foo": "text\n", "bar": 1}),
        "{new}"
    );
}

#[test]
fn an_object_in_a_list_is_changed_alone() {
    let item = |n: u32| {
        format!(
            "- kind: Rollout\n  spec:\n    strategy:\n      canary:\n        steps:\n        - setWeight: {n}\n        a: {n}\n"
        )
    };
    let text = format!("kind: List\nitems:\n{}{}", item(1), item(2));
    let new = apply(&text, &[1], &steps(None)).unwrap();
    let kept = format!("kind: List\nitems:\n{}", item(1));
    assert_eq!(
        new,
        format!("{kept}- kind: Rollout\n  spec:\n    strategy:\n      canary:\n        a: 2\n")
    );
}

#[test]
fn missing_mappings_are_added() {
    let label = Change {
        path: ["metadata", "labels", "serinus.dev/canary-steps"]
            .map(String::from)
            .to_vec(),
        to: Some(json!("on")),
    };
    check(
        "kind: Rollout\nmetadata:\n  name: web\n",
        &label,
        &expect![[r#"
        kind: Rollout
        metadata:
          labels:
            serinus.dev/canary-steps: "on"
          name: web
    "#]],
    );
    check(
        "kind: Rollout\nspec: {}\n",
        &label,
        &expect![[r#"
        metadata:
          labels:
            serinus.dev/canary-steps: "on"
        kind: Rollout
        spec: {}
    "#]],
    );
    check(
        "metadata: {name: web}\n",
        &label,
        &expect![[r#"
        metadata: {"labels": {"serinus.dev/canary-steps":"on"}, name: web}
    "#]],
    );
}

#[test]
fn what_already_holds_changes_nothing() {
    let text = "spec: {strategy: {canary: {steps: [ {setWeight: 0x5} ]}}}";
    assert_eq!(
        apply(text, &[], &steps(Some(json!([{"setWeight": 5}])))).unwrap(),
        text
    );
    assert_eq!(apply("spec: {}", &[], &steps(None)).unwrap(), "spec: {}");
}

#[test]
fn windows_line_ends_are_kept() {
    let text = "spec:\r\n  strategy:\r\n    canary:\r\n      steps:\r\n      - pause: {}\r\n      x: 1\r\n";
    let new = apply(text, &[], &steps(new_steps())).unwrap();
    assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{new:?}");
}

fn layouts() -> impl Strategy<Value = String> {
    let comment = prop_oneof![Just(""), Just("  # c"), Just("   ")];
    let existing = prop_oneof![
        Just(""),
        Just("STEPS\n"),
        Just("steps: []\n"),
        Just("steps:\n"),
        Just("steps: &s\n- setWeight: 1\n"),
        Just(
            "steps:\n  - setWeight: 1\n  # x\n  - analysis:\n      args:\n      - value: |\n          a\n\n          b\n\n"
        ),
        Just("\"steps\": [{setWeight: 1}, {pause: {}}]\n"),
        Just("? steps\n: - setWeight: 1\n"),
    ];
    let sibling = prop_oneof![
        Just(""),
        Just("maxSurge: 25%\n"),
        Just("t: |+\n  text\n\n"),
        Just("# comment\nq: \"a\n  b\"\n"),
        Just("trafficRouting:\n  plugins:\n    x/y: {a: [1, 2]}\n"),
    ];
    (sibling.clone(), existing, sibling, comment, 1_usize..5).prop_map(|(before, steps, after, comment, width)| {
        let after = after.replace("t:", "u:").replace("q:", "r:").replace("maxSurge", "maxUnavailable");
        let after = if before.contains("traffic") { String::new() } else { after };
        let steps = steps.replace("STEPS", "steps:\n- setWeight: 3\n- pause: {}  # here");
        let body: String = format!("{before}{steps}{after}")
            .split_inclusive('\n')
            .map(|line| if line.trim().is_empty() { line.to_owned() } else { format!("{}{line}", " ".repeat(width * 3)) })
            .collect();
        let pad = " ".repeat(width);
        format!("kind: Rollout\nspec:\n{pad}strategy:{comment}\n{pad}{pad}canary:{comment}\n{body}{pad}replicas: 0x2\n# end\n")
    })
}

proptest! {
    /// `apply` proves the meaning itself; here that it always finds a way and keeps what stands outside.
    #[test]
    fn any_layout_can_be_switched(text in layouts(), on in any::<bool>()) {
        let change = steps(if on { new_steps() } else { None });
        let new = apply(&text, &[], &change).unwrap();
        prop_assert!(new.starts_with("kind: Rollout\nspec:\n"));
        prop_assert!(new.ends_with("replicas: 0x2\n# end\n"));
        let back = apply(&new, &[], &steps(None)).unwrap();
        let off = value::resolve(&Tree::parse(&back).unwrap()).unwrap();
        prop_assert!(off["spec"]["strategy"]["canary"].get("steps").is_none());
    }
    /// What the short proof takes, the long one takes too: also of texts that a wrong edit could have made.
    #[test]
    fn the_short_proof_is_a_proof(text in layouts(), on in any::<bool>(), at in 0_usize..400, drop in 0_usize..12, add in "(|steps: \\[\\]\n|[-a-z0-9: \n]{0,3})") {
        let change = steps(if on { new_steps() } else { None });
        let mut candidate = apply(&text, &[], &change).unwrap();
        let from = at.min(candidate.len());
        candidate.replace_range(from..(from + drop).min(candidate.len()), &add);
        let old = Tree::parse(&text).unwrap();
        let trail = Trail::walk(&old, &[], &change.path);
        let Ok(new) = Tree::parse(&candidate) else {
            return Ok(());
        };
        if only_the_field_differs(&old, &trail, "steps", change.to.as_ref(), &new) {
            let mut wanted = value::resolve(&old).unwrap();
            set(&mut wanted, &change.path, change.to.as_ref());
            prop_assert_eq!(value::resolve(&new), Ok(wanted), "{:?}", candidate);
        }
    }
}

#[test]
fn keys_that_stand_twice_and_merges_are_left_to_the_long_proof() {
    let short = |text: &str, to: Option<Value>, candidate: &str| {
        let (old, new) = (Tree::parse(text).unwrap(), Tree::parse(candidate).unwrap());
        let change = steps(to);
        let trail = Trail::walk(&old, &[], &change.path);
        only_the_field_differs(&old, &trail, "steps", change.to.as_ref(), &new)
    };
    let canary = |inside: &str| format!("spec: {{strategy: {{canary: {{{inside}}}}}}}\n");
    let one = canary("steps: [], a: 1");
    assert!(short(&one, None, &canary("a: 1")));
    assert!(short(&one, Some(json!([1])), &canary("a: 1, steps: [1]")));
    assert!(!short(&one, None, &one));
    assert!(!short(&one, None, &canary("a: 2")));
    assert!(!short(&one, None, &canary("a: '1'")));
    assert!(!short(&one, None, &canary("a: 1, b: 1")));
    assert!(!short(&one, None, &canary("")));
    let lists = canary("steps: [], a: [1, 2]");
    assert!(short(&lists, None, &canary("a: [1, 2]")));
    assert!(!short(&lists, None, &canary("a: [1]")));
    assert!(!short(&lists, None, &canary("a: [1, 2, 3]")));
    assert!(!short(&one, Some(json!([1])), &canary("steps: [2], a: 1")));
    assert!(!short(
        &canary("steps: [], steps: [1], a: 1"),
        None,
        &canary("steps: [], a: 1")
    ));
    assert!(!short(
        &canary("steps: [], <<: {steps: [1]}"),
        None,
        &canary("<<: {steps: [1]}")
    ));
    assert!(!short(
        &one,
        Some(json!([1])),
        &canary("steps: [1], steps: [1], a: 1")
    ));
    let other = one.replace("}}}", "}}, x: 1}");
    assert!(!short(&other, None, &canary("a: 1")));
}
