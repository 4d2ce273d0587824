//! Manifests from files, read as Kubernetes reads them. Pure.

use canary_steps::edit::{self, Manifest};
use canary_steps::plan::{self, Application, Settings};
use serde_json::Value;

/// A manifest that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ManifestError {
    /// What the manifest is called.
    pub name: String,
    /// What is wrong, with its line where that is known.
    pub problem: String,
}

/// An object of a manifest, and the text in which it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// A YAML or JSON document with this object alone, ending with a line break.
    pub text: String,
    /// What Kubernetes takes it for.
    pub value: Value,
    /// Whether the object stood in a List, and its text was written anew.
    pub rewritten: bool,
}

/// The objects of a YAML or JSON stream; the items of a List are taken out of it.
pub fn read(name: &str, text: &str) -> Result<Vec<Value>, ManifestError> {
    Ok(documents(name, text)?
        .into_iter()
        .map(|document| document.value)
        .collect())
}

/// The objects of a YAML or JSON stream, each with its own text; the items of a List get one.
pub fn documents(name: &str, text: &str) -> Result<Vec<Document>, ManifestError> {
    let error = |problem: String| ManifestError {
        name: name.to_owned(),
        problem,
    };
    let mut documents = Vec::new();
    for document in edit::split(text).map_err(|e| error(e.to_string()))? {
        let text = &text[document.range];
        let value = one(text, document.line).map_err(error)?;
        take(value, Some(text), document.line, &mut documents).map_err(error)?;
    }
    Ok(documents)
}

/// The Rollout `name` of a manifest after somebody typed `choice` beside it in Argo CD: the text as
/// `argocd-cmp-canary-steps` would hand it to Argo CD.
pub fn switch_steps(manifest: &str, text: &str, name: &str, choice: &str) -> Result<String, ManifestError> {
    let error = |problem: String| ManifestError {
        name: manifest.to_owned(),
        problem,
    };
    let manifests = [Manifest {
        name: manifest.to_owned(),
        text: text.to_owned(),
    }];
    let (settings, mut application) = (Settings::default(), Application::default());
    application.parameters.set(name, choice);
    let plan = plan::plan(&manifests, &settings, &application);
    if let Some(gone) = plan.gone.first() {
        return Err(error(format!("there is no Rollout {gone:?} in it")));
    }
    let mut texts = plan
        .apply(&manifests, &settings, &application)
        .map_err(|e| error(e.to_string()))?;
    texts.pop().ok_or_else(|| error("nothing came of it".to_owned()))
}

/// One document, which begins at this line of its file.
fn one(document: &str, line: usize) -> Result<Value, String> {
    edit::read(document).map_err(|error| format!("line {}: {}", line + error.line - 1, error.problem))
}

fn take(
    mut value: Value,
    text: Option<&str>,
    line: usize,
    documents: &mut Vec<Document>,
) -> Result<(), String> {
    let field = |field: &str| {
        value
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    if value.is_null() {
        return Ok(());
    }
    if api_version.is_empty() || kind.is_empty() {
        return Err(format!(
            "line {line}: not a Kubernetes object: apiVersion and kind are missing"
        ));
    }
    if kind.ends_with("List")
        && let Some(Value::Array(items)) = value.get_mut("items").map(Value::take)
    {
        return items
            .into_iter()
            .try_for_each(|item| take(item, None, line, documents));
    }
    documents.push(Document {
        text: text.map_or_else(|| edit::yaml(&value), with_line_break),
        rewritten: text.is_none(),
        value,
    });
    Ok(())
}

fn with_line_break(text: &str) -> String {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn streams() {
        let text = "# nothing\n---\napiVersion: v1\nkind: Service\nspec:\n  text: |\n    a\n      b\n  on: yes\n--- # next\n\
                    {\"apiVersion\": \"v1\",\n \"kind\": \"List\", \"items\": [\n{\"apiVersion\": \"v1\", \"kind\": \"A\"}]}\n";
        let want = [
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"text": "a\n  b\n", "true": true}}),
            json!({"apiVersion": "v1", "kind": "A"}),
        ];
        assert_eq!(read("a.yaml", text).unwrap(), want);
    }

    #[test]
    fn objects_have_their_text() {
        let text = "# front\n---\n# mine\nkind: A   # kept\napiVersion: v1\n---\napiVersion: v1\nkind: List\nitems:\n- {kind: B, apiVersion: v1, on: 'yes'}\n";
        let documents = documents("a.yaml", text).unwrap();
        let texts: Vec<_> = documents.iter().map(|d| (d.text.as_str(), d.rewritten)).collect();
        let want = [
            ("# mine\nkind: A   # kept\napiVersion: v1\n", false),
            ("apiVersion: v1\nkind: B\n\"true\": \"yes\"\n", true),
        ];
        assert_eq!(texts, want);
    }

    #[test]
    fn errors_name_the_line() {
        let cases = [
            (
                "apiVersion: v1\nkind: A\n---\nkind: B\n",
                "a.yaml: line 4: not a Kubernetes object: apiVersion and kind are missing",
            ),
            ("apiVersion: v1\nkind: A\nspec: [1, 2\nmore: 3\n", "a.yaml: line "),
            (
                "--- text\n",
                "a.yaml: line 1: after `---` only a comment may follow",
            ),
        ];
        for (text, want) in cases {
            let error = read("a.yaml", text).unwrap_err().to_string();
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn steps_are_switched_and_nothing_else() {
        let before = include_str!("../demo/rollout.yaml");
        let after = switch_steps("rollout.yaml", before, "web", "50,pause:30s,100").unwrap();
        let mut want = read("rollout.yaml", before).unwrap();
        want[0]["spec"]["strategy"]["canary"]["steps"] =
            json!([{"setWeight": 50}, {"pause": {"duration": "30s"}}, {"setWeight": 100}]);
        assert_eq!(read("rollout.yaml", &after).unwrap(), want);
        assert!(
            after.starts_with("# The Rollout of `serinus demo`"),
            "comments stay"
        );

        let error = switch_steps("rollout.yaml", before, "other", "off")
            .unwrap_err()
            .to_string();
        assert_eq!(error, "rollout.yaml: there is no Rollout \"other\" in it");
        let error = switch_steps("rollout.yaml", before, "web", "50,pase")
            .unwrap_err()
            .to_string();
        assert!(error.contains("item 2"), "{error}");
    }
}
