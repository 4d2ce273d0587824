//! What the dashboard shows of them.

use expect_test::{Expect, expect};

use super::*;

#[test]
fn titles_tell_the_state_and_are_short() {
    let routed = rollout(
        "edge",
        "canary:\n      steps: [{setWeight: 5}]\n      trafficRouting: {nginx: {stableIngress: x}}\n",
    );
    let scene = scene(&[
        web(),
        bare("api"),
        routed,
        rollout("down", "canary: {steps: [{setWeight: 50}, {setWeight: 20}]}\n"),
    ])
    .operator("presets: {careful: '5,pause,100'}")
    .set(&[
        ("web", "careful"),
        ("api", "25,pause"),
        ("edge", "off"),
        ("nope", "25,x"),
    ]);
    expect![[r#"
        all: on|off|git|careful|ramp
        web: careful, 3 steps
        api: 2 steps
        edge: off, one cut-over
        down: git, 2 steps ⚠ the weight falls from 50 to 20
        gone: nope"#]]
    .assert_eq(&scene.titles().join("\n"));
}

#[test]
fn announced_values_are_what_holds_now() {
    let scene = scene(&[web(), bare("api")]).set(&[("", "off"), ("api", "25, pause")]);
    let values: Vec<_> = scene
        .announced()
        .into_iter()
        .map(|a| (a.name, a.string))
        .collect();
    let expected = [
        ("canary", "off"),
        ("canary/web", "off"),
        ("canary/api", "25,pause"),
    ];
    assert_eq!(values, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[test]
fn mistakes_are_told_in_titles() {
    let scene1 = scene(&[web(), bare("api")]).set(&[("web", "25,,x")]);
    assert_eq!(
        scene1.titles()[1],
        "⚠ web: item 2 is empty; write e.g. 25,pause,100"
    );
    assert_eq!(scene1.announced()[1].string, "25,,x");
    let scene = scene(&[web()]).set(&[("", "onn")]);
    assert_eq!(
        scene.titles(),
        [
            "⚠ all: unknown preset \"onn\"; did you mean \"on\"?",
            "web: git, 2 steps"
        ]
    );
}

#[test]
fn a_preset_for_all_is_known_or_refused_also_where_no_rollout_uses_it() {
    let unknown = "canary: unknown preset \"rampp\"; did you mean \"ramp\"?";
    let used = scene(&[web(), bare("api")]).set(&[("", "rampp"), ("web", "off"), ("api", "off")]);
    assert_eq!(used.apply().unwrap_err(), unknown);
    let annotated = bare("own").replace(
        "metadata:\n",
        "metadata:\n  annotations: {serinus.dev/canary-preset.rampp: '3'}\n",
    );
    let one_has_it = scene(&[web(), annotated]).set(&[("", "rampp"), ("web", "off")]);
    assert_eq!(one_has_it.steps(), ["-", "3"]);
    // One Application of many with the same value, and it has no Rollouts.
    let none = scene(&["kind: ConfigMap\n".into()]).set(&[("", "rampp")]);
    assert!(none.apply().is_ok());
}

#[test]
fn badges_show_the_state_where_the_operator_wants_them() {
    let scene = scene(&[web(), rollout("db", "blueGreen: {activeService: a}\n")])
        .operator("badge: true")
        .set(&[("", "off")]);
    let check = |expected: &Expect| expected.assert_eq(&scene.apply().unwrap());
    check(&expect![[r#"
        apiVersion: argoproj.io/v1alpha1
        kind: Rollout
        metadata:
          annotations:
            serinus.dev/canary-steps-source: "canary: off"
          labels:
            serinus.dev/canary-steps: "off"
          name: web
        spec:
          template:
            spec:
              containers:
              - image: reg:5000/web:v1.4.2
          strategy:
            canary:
              maxSurge: 1
        ---
        apiVersion: argoproj.io/v1alpha1
        kind: Rollout
        metadata:
          name: db
        spec:
          template:
            spec:
              containers:
              - image: reg:5000/db:v1.4.2
          strategy:
            blueGreen: {activeService: a}
    "#]]);
}
