//! Decisions as functions of values.

mod shown;

use super::super::{Announcement, Parameters, announce, plan};
use super::names::without_release;
use super::*;

fn web() -> String {
    rollout(
        "web",
        "canary:\n      maxSurge: 1\n      steps:\n      - setWeight: 20\n      - pause: {}\n",
    )
}

fn bare(name: &str) -> String {
    rollout(name, "canary:\n      maxSurge: 1\n")
}

fn rollout(name: &str, strategy: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: {name}\nspec:\n  template:\n    spec:\n      containers:\n      - image: reg:5000/{name}:v1.4.2\n  strategy:\n    {strategy}"
    )
}

struct Scene {
    manifests: Vec<Manifest>,
    settings: Settings,
    app: Application,
}

fn scene(documents: &[String]) -> Scene {
    Scene {
        manifests: vec![Manifest {
            name: "all.yaml".into(),
            text: documents.join("---\n"),
        }],
        settings: Settings::default(),
        app: Application {
            name: "argocd_shop".into(),
            ..Application::default()
        },
    }
}

impl Scene {
    fn set(mut self, pairs: &[(&str, &str)]) -> Self {
        for (key, value) in pairs {
            self.app.parameters.set(key, value);
        }
        self
    }

    fn operator(mut self, text: &str) -> Self {
        self.settings = self.settings.lay("operator", text, Owner::Operator).unwrap();
        self
    }

    fn repository(mut self, text: &str) -> Self {
        self.settings = self
            .settings
            .lay(".canary.yaml", text, Owner::Repository)
            .unwrap();
        self
    }

    fn plan(&self) -> Plan {
        plan(&self.manifests, &self.settings, &self.app)
    }

    fn apply(&self) -> Result<String, String> {
        let texts = self.plan().apply(&self.manifests, &self.settings, &self.app);
        texts.map(|t| t.concat()).map_err(|e| e.to_string())
    }

    /// The steps of each Rollout after it, in the short form; `-` where there are none.
    fn steps(&self) -> Vec<String> {
        let text = self.apply().unwrap();
        let found = edit::find(&[Manifest {
            name: String::new(),
            text,
        }]);
        let list = found.rollouts.iter().map(|r| match canary_steps(r) {
            None => "-".to_owned(),
            Some(steps) => {
                let items = steps
                    .as_array()
                    .unwrap()
                    .iter()
                    .cloned()
                    .map(Item::Step)
                    .collect();
                Word::Steps(items).to_string()
            }
        });
        list.collect()
    }

    fn titles(&self) -> Vec<String> {
        announce(&self.plan(), &self.settings, &self.app)
            .into_iter()
            .map(|a| a.title)
            .collect()
    }

    fn announced(&self) -> Vec<Announcement> {
        announce(&self.plan(), &self.settings, &self.app)
    }
}

#[test]
fn nothing_switched_changes_no_byte() {
    let scene = scene(&[web(), bare("api"), "# only a comment\n".into()]);
    assert_eq!(scene.apply().unwrap(), scene.manifests[0].text);
    let git = scene.set(&[("", "git"), ("web", "git"), ("api", "")]);
    assert_eq!(git.apply().unwrap(), git.manifests[0].text);
}

#[test]
fn what_the_words_mean() {
    // (for all, for web, for api) -> steps of web, which has some in Git, and of api, which has none.
    for (general, own_web, own_api, expected) in [
        ("", "", "", ["20,pause", "-"]),
        ("off", "", "", ["-", "-"]),
        ("off", "git", "", ["20,pause", "-"]),
        ("off", "on", "50", ["20,pause", "50"]),
        ("50,100", "", "", ["50,100", "50,100"]),
        ("50,100", "off", "git", ["-", "-"]),
        (
            "fast",
            "",
            "5,git:1",
            ["50", "!api: canary/api: git:1 is not there: Git has no steps"],
        ),
        ("fast", "5,git:2,git:1", "", ["5,pause,20", "50"]),
        ("on", "", "fast", ["20,pause", "50"]),
        (
            "on",
            "",
            "",
            [
                "20,pause",
                "!api: has no steps in Git; write fast, ramp or steps like 25,pause,100",
            ],
        ),
        (
            "ramp",
            "",
            "",
            ["10,pause:10s,50,pause:10s,100", "10,pause:10s,50,pause:10s,100"],
        ),
    ] {
        let scene = scene(&[web(), bare("api")])
            .operator("presets: {fast: 50}")
            .set(&[("", general), ("web", own_web), ("api", own_api)]);
        let case = format!("{general:?} {own_web:?} {own_api:?}");
        if let Some(error) = expected[1].strip_prefix("!api: ") {
            let error = if error.starts_with("canary/") {
                error.to_owned()
            } else {
                format!("api: {error}")
            };
            assert_eq!(scene.apply().unwrap_err(), error, "{case}");
        } else {
            assert_eq!(scene.steps(), expected, "{case}");
        }
    }
}

#[test]
fn the_preset_default_is_what_on_means_without_steps_in_git() {
    let scene = scene(&[web(), bare("api")])
        .repository("presets: {default: '30,pause'}")
        .set(&[("", "on")]);
    assert_eq!(scene.steps(), ["20,pause", "30,pause"]);
}

#[test]
fn nothing_set_may_mean_off() {
    for settings in [
        scene(&[web()]).operator("default: off"),
        scene(&[web()]).repository("default: 'off'"),
    ] {
        assert_eq!(settings.steps(), ["-"]);
        assert_eq!(settings.set(&[("web", "on")]).steps(), ["20,pause"]);
    }
    // The repository knows better than the operator, the Rollout better than both.
    let annotated = web().replace(
        "metadata:\n",
        "metadata:\n  annotations: {serinus.dev/canary-default: 'off'}\n",
    );
    let scene = scene(&[web(), annotated])
        .operator("default: off")
        .repository("default: git");
    assert_eq!(scene.steps(), ["20,pause", "-"]);
}

#[test]
fn presets_of_the_rollout_beat_those_of_the_repository_and_those_the_operators() {
    let annotated = bare("web").replace(
        "metadata:\n",
        "metadata:\n  annotations: {serinus.dev/canary-preset.own: '3', serinus.dev/canary-preset.b: '4'}\n",
    );
    let scene = scene(&[annotated])
        .operator("presets: {a: 1%, b: 1%}")
        .repository("presets: {a: 2}");
    for (word, expected) in [("a", "2"), ("b", "4"), ("own", "3")] {
        let Scene {
            manifests,
            settings,
            app,
        } = &scene;
        let mut app = app.clone();
        app.parameters.set("web", word);
        let one = Scene {
            manifests: manifests.clone(),
            settings: settings.clone(),
            app,
        };
        assert_eq!(one.steps(), [expected]);
    }
}

#[test]
fn a_choice_for_a_release_ends_with_it() {
    let value = |v: &str| scene(&[web()]).set(&[("web", v)]);
    assert_eq!(value("5,pause @v1.4.2").steps(), ["5,pause"]);
    assert_eq!(value("5,pause @v1.4.1").steps(), ["-"]);
    assert_eq!(value("on @v1.4.2").steps(), ["20,pause"]);
    assert_eq!(value("on @v1.4.3").steps(), ["-"]);
    assert_eq!(value("5 @v1.4.2").titles()[1], "web: 1 step, only for v1.4.2");
    assert_eq!(value("5 @v1").titles()[1], "web: off, image is not v1");
    // Where off is not allowed, the next release goes as in Git.
    assert_eq!(
        value("5 @v1").operator("policy: [{allowOff: false}]").steps(),
        ["20,pause"]
    );
}

#[test]
fn the_image_of_a_workload_that_is_referred_to_counts() {
    let referring = web().replace(
        "  template:\n    spec:\n      containers:\n      - image: reg:5000/web:v1.4.2\n",
        "  workloadRef: {kind: Deployment, name: web}\n",
    );
    let deployment = "kind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{image: 'web@sha256:0f'}]}}}\n";
    let both = scene(&[referring.clone(), deployment.into()]);
    assert_eq!(both.set(&[("web", "5 @sha256:0f")]).steps(), ["5"]);
    assert_eq!(
        scene(&[referring]).set(&[("web", "5 @v1")]).apply().unwrap_err(),
        "canary/web: @v1 cannot be compared: the Deployment web is not in the manifests"
    );
}

#[test]
fn the_operators_policy() {
    let rules = "policy:\n- namespaces: ['prod-*']\n  allowOff: false\n  presets: [careful]\n  steps: [setWeight, pause]\n  minSteps: 2\n  message: ask the platform team\npresets: {careful: '5,pause', fast: 50}\n";
    for (value, expected) in [
        (
            "off",
            Err("canary/web: off is not allowed here: ask the platform team"),
        ),
        (
            "fast",
            Err("canary/web: only the presets careful are allowed here: ask the platform team"),
        ),
        (
            "5,scale:1",
            Err(
                "canary/web: setCanaryScale is not allowed, only setWeight, pause here: ask the platform team",
            ),
        ),
        (
            "5",
            Err("canary/web: fewer than 2 steps are not allowed here: ask the platform team"),
        ),
        ("careful", Ok("5,pause")),
        ("7,pause", Ok("7,pause")),
        ("git", Ok("20,pause")),
    ] {
        let mut scene = scene(&[web()]).operator(rules).set(&[("web", value)]);
        scene.app.namespace = Some("prod-eu".into());
        match expected {
            Ok(steps) => assert_eq!(scene.steps(), [steps], "{value}"),
            Err(error) => assert_eq!(scene.apply().unwrap_err(), error, "{value}"),
        }
        // Elsewhere everything is allowed; what the announcement does not know cannot be judged.
        scene.app.namespace = Some("dev".into());
        assert!(scene.apply().is_ok() || value == "5,scale:1", "{value}");
        scene.app.namespace = None;
        assert!(
            scene.plan().decisions[0].problem.is_none() || value == "5,scale:1",
            "{value}"
        );
    }
    // The operator's own default is not judged, a repository's is.
    let mut scene = scene(&[web()]).operator("policy: [{allowOff: false}]\ndefault: off");
    assert_eq!(scene.steps(), ["-"]);
    scene = scene.repository("default: off");
    assert_eq!(scene.apply().unwrap_err(), "web: off is not allowed here");
}

/// `on` was judged as itself, so that the preset `default` was allowed where no preset is, and Git's own steps were not.
#[test]
fn on_is_judged_as_what_it_comes_to() {
    let rules = "presets: {default: '100,pause:1s'}\npolicy: [{presets: [], minSteps: 3}]\n";
    let on = scene(&[web(), bare("api")]).operator(rules);
    assert_eq!(
        on.set(&[("api", "on")]).apply().unwrap_err(),
        "canary/api: no preset is allowed here"
    );
    let on = scene(&[web()]).operator(rules).set(&[("web", "on")]);
    assert_eq!(on.steps(), ["20,pause"]);
    // What the operator chose for all may be typed as well.
    let on = scene(&[bare("api")]).operator(&format!("default: on\n{rules}"));
    assert_eq!(on.set(&[("api", "on")]).steps(), ["100,pause:1s"]);
}

/// Of a step of several kinds the first alone was judged.
#[test]
fn each_kind_of_a_step_is_judged() {
    let rules = "policy: [{steps: [setWeight, pause]}]\n";
    let typed = "[{\"pause\": {}, \"setCanaryScale\": {\"weight\": 50}}]";
    let routed = rollout("web", "canary: {trafficRouting: {nginx: {stableIngress: x}}}\n");
    assert_eq!(
        scene(&[routed])
            .operator(rules)
            .set(&[("web", typed)])
            .apply()
            .unwrap_err(),
        "canary/web: setCanaryScale is not allowed, only setWeight, pause here"
    );
}

#[test]
fn as_in_git_is_no_way_around_the_policy() {
    let strict = "presets: {careful: '5,pause,100'}\npolicy: [{allowOff: false, message: 'no'}]\n";
    // Git has no steps and nothing else would give it some: nobody is kept from that.
    assert_eq!(
        scene(&[bare("api")])
            .operator(strict)
            .set(&[("api", "git")])
            .steps(),
        ["-"]
    );
    let strict = format!("default: careful\n{strict}");
    assert_eq!(scene(&[bare("api")]).operator(&strict).steps(), ["5,pause,100"]);
    let chosen = scene(&[bare("api"), web()]).operator(&strict);
    assert_eq!(
        chosen.set(&[("api", "git")]).apply().unwrap_err(),
        "canary/api: off is not allowed here: no"
    );
    assert_eq!(
        scene(&[web()]).operator(&strict).set(&[("web", "git")]).steps(),
        ["20,pause"]
    );
}

#[test]
fn a_rollout_without_a_name_of_its_own_is_called_by_its_prefix() {
    let generated = web().replace("  name: web", "  generateName: web-");
    let scene = scene(&[generated]).set(&[("web-", "off")]);
    assert_eq!(scene.steps(), ["-"]);
    assert_eq!(scene.titles()[1], "web-: off");
}

#[test]
fn wrong_values_say_where_and_what_to_write() {
    for (pairs, expected) in [
        (
            &[("web", "25,,x")][..],
            "canary/web: item 2 is empty; write e.g. 25,pause,100",
        ),
        (
            &[("", "25,paus")],
            "canary: item 2 \"paus\" is not a step; did you mean \"pause\"?",
        ),
        (
            &[("web", "carefull")],
            "canary/web: unknown preset \"carefull\"; did you mean \"careful\"?",
        ),
        (
            &[("web", "slow")],
            "canary/web: unknown preset \"slow\"; write on, off, git, careful, ramp or steps like 25,pause,100",
        ),
        (
            &[("web", "5,scale:2")],
            "canary/web: step 2 sets the canary's scale, which needs trafficRouting",
        ),
        (
            &[("web", "[{setWeigt: 5}]")],
            "canary/web: step 1 has the unknown kind \"setWeigt\"; did you mean \"setWeight\"?",
        ),
        (
            &[("", "[{setWeigt: 5}]")],
            "web: step 1 has the unknown kind \"setWeigt\"; did you mean \"setWeight\"?",
        ),
    ] {
        let scene = scene(&[web()])
            .operator("presets: {careful: '5,pause'}")
            .set(pairs);
        assert_eq!(scene.apply().unwrap_err(), expected, "{pairs:?}");
    }
    let both = scene(&[web(), bare("api")]).set(&[("web", "x"), ("api", "25,")]);
    assert_eq!(
        both.apply().unwrap_err(),
        "canary/web: unknown preset \"x\"; write on, off, git, ramp or steps like 25,pause,100 (and 1 more problem)"
    );
}

#[test]
fn a_value_for_a_rollout_that_is_gone_does_not_block() {
    let scene1 = scene(&[web()]).set(&[("old", "25,,"), ("web", "")]);
    assert_eq!(scene1.steps(), ["20,pause"]);
    let scene = scene(&[web()]).set(&[("old", "off"), ("web", "")]);
    assert_eq!(scene.steps(), ["20,pause"]);
    assert_eq!(
        scene.titles(),
        [
            "all: on, off, git, ramp",
            "web: git, 2 steps",
            "old: gone; Reset removes it"
        ]
    );
}

#[test]
fn other_strategies_are_left_alone() {
    let blue = rollout("db", "blueGreen: {activeService: a}\n");
    let scene1 = scene(&[web(), blue.clone()]).set(&[("", "off")]);
    assert_eq!(scene1.steps(), ["-", "-"]);
    assert!(scene1.apply().unwrap().ends_with(&blue));
    assert_eq!(scene1.titles()[2], "db: blueGreen, no steps");
    assert_eq!(
        scene(&[blue]).set(&[("db", "on")]).apply().unwrap_err(),
        "canary/db: a blueGreen Rollout has no steps; clear the value"
    );
    let both = rollout("x", "{canary: {}, blueGreen: {activeService: a}}\n");
    let scene = scene(&[both]).set(&[("", "25,pause")]);
    assert_eq!(scene.apply().unwrap(), scene.manifests[0].text);
    assert_eq!(scene.titles()[1], "x: no canary strategy");
}

#[test]
fn off_deletes_the_key_also_where_the_list_is_empty() {
    let empty = rollout("web", "canary: {steps: [], maxSurge: 1}\n");
    let text = scene(&[empty]).set(&[("web", "off")]).apply().unwrap();
    assert!(text.ends_with("canary: {maxSurge: 1}\n"), "{text}");
}

#[test]
fn names_without_the_release() {
    for (name, release, expected) in [
        ("shop-web", "shop", "{app}-web"),
        ("shop", "shop", "{app}"),
        ("web-shop", "shop", "web-{app}"),
        ("a-shop-b", "shop", "a-{app}-b"),
        ("shopping", "shop", "shopping"),
        ("bishop-shop", "shop", "bishop-{app}"),
        ("web", "", "web"),
    ] {
        assert_eq!(without_release(name, Some(release)), expected);
    }
    // One announcement serves all Applications with the same chart, and the full name is taken too.
    for key in ["{app}-web", "shop-web"] {
        let mut scene = scene(&[bare("shop-web")]).set(&[(key, "5")]);
        scene.app.release = Some("shop".into());
        assert_eq!(scene.steps(), ["5"]);
        assert_eq!(scene.announced()[1].name, "canary/{app}-web");
        assert_eq!(scene.plan().gone, [""; 0]);
    }
}

#[test]
fn equal_names_are_told_apart_by_their_namespace() {
    let within = |ns: &str| web().replace("  name: web\n", &format!("  name: web\n  namespace: {ns}\n"));
    let scene = scene(&[within("a"), within("b")]).set(&[("a/web", "off"), ("web", "50")]);
    assert_eq!(scene.steps(), ["-", "50"]);
    let names: Vec<_> = scene.announced().into_iter().map(|a| a.name).collect();
    assert_eq!(names, ["canary", "canary/a/web", "canary/b/web"]);
}

/// `canary/web` switched off both.
#[test]
fn the_name_that_is_announced_for_one_rollout_means_no_other() {
    let within = web().replace("  name: web\n", "  name: web\n  namespace: prod\n");
    let both = [web(), within];
    assert_eq!(scene(&both).set(&[("web", "off")]).steps(), ["-", "20,pause"]);
    assert_eq!(
        scene(&both).set(&[("prod/web", "off")]).steps(),
        ["20,pause", "-"]
    );
    let names: Vec<_> = scene(&both).announced().into_iter().map(|a| a.name).collect();
    assert_eq!(names, ["canary", "canary/web", "canary/prod/web"]);
}

/// The longer name won, also where nothing was written beside it.
#[test]
fn two_names_of_one_rollout_have_one_value() {
    let shop = |pairs: &[(&str, &str)]| {
        let mut shop = scene(&[web().replace("name: web", "name: shop-web")]).set(pairs);
        shop.app.release = Some("shop".into());
        shop
    };
    for cleared in [("{app}-web", ""), ("shop-web", " ")] {
        let other = if cleared.0 == "shop-web" {
            "{app}-web"
        } else {
            "shop-web"
        };
        assert_eq!(shop(&[cleared, (other, "off")]).steps(), ["-"], "{cleared:?}");
    }
    assert_eq!(shop(&[("shop-web", "off"), ("{app}-web", "off")]).steps(), ["-"]);
    let two = shop(&[("shop-web", "off"), ("{app}-web", "on")]);
    assert_eq!(
        two.apply().unwrap_err(),
        "canary/shop-web: canary/{app}-web is the same Rollout with another value; clear one"
    );
    assert_eq!(two.announced().len(), 2);
}

#[test]
fn a_document_that_cannot_be_read_matters_only_when_something_is_switched() {
    let broken = format!("{}broken: [\n", web());
    let quiet = scene(&[broken.clone(), bare("api")]);
    assert_eq!(quiet.apply().unwrap(), quiet.manifests[0].text);
    assert!(
        quiet.titles().iter().any(|t| t.starts_with("⚠ all.yaml: line ")),
        "{:?}",
        quiet.titles()
    );
    let switched = quiet.set(&[("", "off")]);
    assert!(
        switched
            .apply()
            .unwrap_err()
            .starts_with("all.yaml: a Rollout cannot be read at line ")
    );
}

#[test]
fn nothing_at_all_is_an_error_unless_it_is_meant() {
    let empty = scene(&["# nothing\n".into()]);
    assert!(empty.apply().unwrap_err().contains("not one object"));
    assert!(
        scene(&["# nothing\n".into()])
            .repository("allowEmpty: true")
            .apply()
            .is_ok()
    );
    let mut scene = empty;
    scene.app.parameters = Parameters {
        allow_empty: Some(true),
        ..Parameters::default()
    };
    assert!(scene.apply().is_ok());
}

#[test]
fn the_name_of_the_application_is_used_without_its_namespace() {
    let name = |name: &str| {
        Application {
            name: name.into(),
            ..Application::default()
        }
        .bare_name()
        .to_owned()
    };
    assert_eq!(name("team-a_shop"), "shop");
    assert_eq!(name("shop"), "shop");
}
