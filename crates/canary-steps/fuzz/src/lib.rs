//! What holds for every text, whatever stands in it.

use canary_steps::edit::{Manifest, read, readers_agree, split};
use canary_steps::plan::{Application, Settings, plan};
use serde_json::{Value, json};

/// Panics where something does not hold.
pub fn check(text: &str) {
    assert!(readers_agree(text), "the two readers differ: {text:?}");
    // Nothing switched changes no byte.
    if let Some(same) = switched(text, "git") {
        assert_eq!(same, text);
    }
    let steps = json!([{"setWeight": 5}, {"pause": {"duration": "30s"}}, {"setWeight": 100}]);
    for (value, steps) in [("5,pause:30s,100", Some(&steps)), ("off", None)] {
        let (Some(new), Some(mut wanted)) = (switched(text, value), documents(text)) else {
            continue;
        };
        for document in &mut wanted {
            each_object(document, |object| set(object, steps));
        }
        let is = documents(&new).unwrap_or_else(|| panic!("{text:?} became {new:?}, which cannot be read"));
        assert_eq!(is, wanted, "{text:?} became {new:?}");
    }
}

fn switched(text: &str, value: &str) -> Option<String> {
    let manifests = [Manifest {
        name: "a.yaml".into(),
        text: text.into(),
    }];
    let settings = Settings::default();
    let mut app = Application::default();
    app.parameters.set("", value);
    let texts = plan(&manifests, &settings, &app).apply(&manifests, &settings, &app);
    texts.ok().map(|mut texts| texts.remove(0))
}

/// The value of each document; what cannot be read is null.
fn documents(text: &str) -> Option<Vec<Value>> {
    let documents = split(text).ok()?.into_iter();
    Some(documents.map(|d| read(&text[d.range]).unwrap_or_default()).collect())
}

fn each_object(document: &mut Value, mut visit: impl FnMut(&mut Value)) {
    match document.get_mut("items").and_then(Value::as_array_mut) {
        Some(items) => items.iter_mut().for_each(visit),
        None => visit(document),
    }
}

/// Sets or deletes the steps of a canary Rollout.
fn set(object: &mut Value, steps: Option<&Value>) {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    if object["kind"] != "Rollout" || !version.starts_with("argoproj.io/") {
        return;
    }
    let Some(strategy) = object.pointer_mut("/spec/strategy").and_then(Value::as_object_mut) else {
        return;
    };
    if strategy.get("blueGreen").is_some_and(|b| !b.is_null()) {
        return;
    }
    match (strategy.get_mut("canary"), steps) {
        (Some(canary @ (Value::Object(_) | Value::Null)), Some(steps)) => canary["steps"] = steps.clone(),
        (Some(Value::Object(canary)), None) => drop(canary.remove("steps")),
        _ => {}
    }
}
