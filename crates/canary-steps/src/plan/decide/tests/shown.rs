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
        all: on, off, git, careful, ramp
        web: careful, 3 steps
        api: 2 steps
        edge: off, all traffic at once
        down: git, 2 steps ⚠ the weight falls from 50 to 20
        nope: gone; Reset removes it"#]]
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
fn words_that_do_not_fit_are_cut_between_them() {
    let many = scene(&[web()])
        .operator("presets: {careful: 5, default: 5, fast: 5, friday: 5, very-careful-indeed: 5}");
    let title = &many.titles()[0];
    assert_eq!(
        title,
        "all: on, off, git, careful, default, fast, friday, ramp, …"
    );
}

#[test]
fn an_application_without_canaries_says_so() {
    let blue = rollout("db", "blueGreen: {activeService: a}\n");
    assert_eq!(
        scene(&[blue]).titles(),
        ["all: no canary Rollout here", "db: blueGreen, no steps"]
    );
    assert_eq!(
        scene(&["kind: ConfigMap\n".into()]).titles(),
        ["all: no canary Rollout here"]
    );
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
            serinus.dev/canary-steps: steps-off
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
#[test]
fn a_badge_says_what_it_is_about() {
    let badges = |value: &str| {
        let scene = scene(&[web()]).operator("badge: true").set(&[("web", value)]);
        let text = scene.apply().unwrap();
        let after = |key: &str| {
            let rest = text.split_once(key).unwrap().1;
            rest.lines().next().unwrap().trim().to_owned()
        };
        (after("/canary-steps:"), after("/canary-steps-source:"))
    };
    for (value, label, source) in [
        ("", "git-2-steps", "git"),
        ("git", "git-2-steps", "\"canary/web: git\""),
        ("on", "on-2-steps", "\"canary/web: on\""),
        ("ramp", "ramp-5-steps", "\"canary/web: ramp\""),
        ("50", "own-1-step", "\"canary/web: 50\""),
        ("off", "steps-off", "\"canary/web: off\""),
    ] {
        assert_eq!(badges(value), (label.to_owned(), source.to_owned()), "{value:?}");
    }
    let bare = scene(&[bare("api")]).operator("badge: true").apply().unwrap();
    assert!(bare.contains("/canary-steps: git-no-steps\n"), "{bare}");
}
