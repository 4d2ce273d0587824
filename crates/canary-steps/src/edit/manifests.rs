//! The manifests of an Application: what is in them, and the same with some fields changed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, split};
use super::parallel;
use super::rollout::{Rollout, images};
use super::splice::{self, Change, SpliceError};
use super::tree::{ReadError, Tree};
use super::value;

/// One piece of an Application's manifests: a file of a plain directory, or all that `helm` or `kustomize` wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What messages call it: a path in the repository, or the program that wrote it.
    pub name: String,
    /// A stream of YAML or JSON documents.
    pub text: String,
}

/// A document that may hold a Rollout but cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{manifest}: line {line}: {problem}")]
pub struct Unread {
    /// The manifest's name.
    pub manifest: String,
    /// Line of the manifest, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// The Rollouts of a set of manifests.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// In the order in which they stand.
    pub rollouts: Vec<Rollout>,
    /// Documents that name a Rollout and cannot be read.
    pub unread: Vec<Unread>,
}

/// A change that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{rollout}: {source}")]
pub struct WriteError {
    /// Name of the Rollout.
    pub rollout: String,
    /// Why.
    pub source: SpliceError,
}

/// Finds the Rollouts (kind `Rollout`, group `argoproj.io`), also inside lists.
///
/// Only documents in which the words stand are read, so all others cost a search.
#[must_use]
pub fn find(manifests: &[Manifest]) -> Found {
    let indexed: Vec<_> = manifests.iter().enumerate().collect();
    let parts = parallel::each(
        &indexed,
        |(_, manifest)| manifest.text.len(),
        |(index, manifest)| find_in(*index, manifest),
    );
    let mut found = Found::default();
    for part in parts {
        found.rollouts.extend(part.rollouts);
        found.unread.extend(part.unread);
    }
    found
}

fn find_in(index: usize, manifest: &Manifest) -> Found {
    let mut found = Found::default();
    let unread = |line, problem: String| Unread {
        manifest: manifest.name.clone(),
        line,
        problem,
    };
    let documents = match documents_with(manifest, &["Rollout", "argoproj.io"]) {
        Ok(documents) => documents,
        Err(error) => {
            found.unread.push(unread(error.line, error.to_string()));
            return found;
        }
    };
    for document in documents {
        match read(&manifest.text[document.range.clone()]) {
            Ok(value) => each_object(value, &mut Vec::new(), &mut |value, object| {
                if is_kind(&value, "argoproj.io", "Rollout") {
                    found.rollouts.push(Rollout {
                        manifest: index,
                        document: document.range.clone(),
                        object: object.to_vec(),
                        line: document.line,
                        value,
                    });
                }
            }),
            Err(ReadError { line, problem }) => {
                found.unread.push(unread(document.line + line - 1, problem));
            }
        }
    }
    found
}

/// Images of a workload that stands in the same manifests; `None` where it does not.
///
/// Kinds are those that `spec.workloadRef` of a Rollout takes. It is in the Rollout's own namespace; one without a
/// namespace gets that of the Application, which may be the same.
#[must_use]
pub fn workload_images(
    manifests: &[Manifest],
    kind: &str,
    namespace: &str,
    name: &str,
) -> Option<Vec<String>> {
    let (mut same, mut perhaps) = (None, None);
    for manifest in manifests {
        for document in documents_with(manifest, &[kind, name]).unwrap_or_default() {
            let Ok(value) = read(&manifest.text[document.range]) else {
                continue;
            };
            each_object(value, &mut Vec::new(), &mut |value, _| {
                if value["kind"] == kind && value["metadata"]["name"] == name {
                    let template = if kind == "PodTemplate" {
                        &value["template"]
                    } else {
                        &value["spec"]["template"]
                    };
                    let images = images(template).into_iter().map(str::to_owned).collect();
                    let found = value["metadata"]["namespace"].as_str().unwrap_or_default();
                    if found == namespace {
                        same = Some(images);
                    } else if found.is_empty() || namespace.is_empty() {
                        perhaps = Some(images);
                    }
                }
            });
        }
    }
    same.or(perhaps)
}

/// Names of all objects of a kind of the group `argoproj.io`.
#[must_use]
pub fn names_of(manifests: &[Manifest], kind: &str) -> Vec<String> {
    let mut names = Vec::new();
    for manifest in manifests {
        for document in documents_with(manifest, &[kind, "argoproj.io"]).unwrap_or_default() {
            let Ok(value) = read(&manifest.text[document.range]) else {
                continue;
            };
            each_object(value, &mut Vec::new(), &mut |value, _| {
                if is_kind(&value, "argoproj.io", kind) {
                    names.extend(value["metadata"]["name"].as_str().map(str::to_owned));
                }
            });
        }
    }
    names
}

/// Whether there is any object at all: not only blank documents, comments and empty lists.
#[must_use]
pub fn any_object(manifests: &[Manifest]) -> bool {
    manifests.iter().any(|manifest| {
        // What cannot be cut or read is for the repo-server to refuse.
        let Ok(documents) = split(&manifest.text) else {
            return true;
        };
        documents.iter().any(|document| {
            let text = &manifest.text[document.range.clone()];
            let said = text.lines().filter(|line| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with('#')
            });
            let length: usize = said.map(str::len).sum();
            if length == 0 {
                return false;
            }
            if length > 4096 || !(text.contains("items") || length < 64) {
                return true;
            }
            read(text).map_or(true, |value| match value.get("items") {
                Some(Value::Array(items)) => !items.is_empty(),
                Some(Value::Null) => false,
                _ => !value.is_null(),
            })
        })
    })
}

/// The texts with the changes of each Rollout made; all other bytes are what came in.
///
/// # Errors
/// The first change that could not be written.
pub fn write(manifests: &[Manifest], changes: &[(&Rollout, Vec<Change>)]) -> Result<Vec<String>, WriteError> {
    let mut by_document: BTreeMap<(usize, usize), Vec<_>> = BTreeMap::new();
    for change in changes {
        by_document
            .entry((change.0.manifest, change.0.document.start))
            .or_default()
            .push(change);
    }
    let by_document: Vec<_> = by_document.into_values().collect();
    let changed = parallel::each(
        &by_document,
        |changes| changes[0].0.document.len(),
        |changes| write_document(manifests, changes),
    );
    let mut texts: Vec<String> = manifests.iter().map(|m| m.text.clone()).collect();
    // From the last document to the first, so that the ranges of those before stay true.
    for (changes, text) in by_document.iter().zip(changed).rev() {
        let rollout = changes[0].0;
        texts[rollout.manifest].replace_range(rollout.document.clone(), &text?);
    }
    Ok(texts)
}

/// One document with the changes of all its Rollouts.
fn write_document(
    manifests: &[Manifest],
    changes: &[&(&Rollout, Vec<Change>)],
) -> Result<String, WriteError> {
    let first = changes[0].0;
    let mut text = manifests[first.manifest].text[first.document.clone()].to_owned();
    for (rollout, changes) in changes {
        for change in changes {
            text = splice::apply(&text, &rollout.object, change).map_err(|source| WriteError {
                rollout: rollout.name().to_owned(),
                source,
            })?;
        }
    }
    Ok(text)
}

/// Reads one document, YAML or JSON, as Kubernetes does: `yes` is true, `0644` is 420, the last of two equal keys counts.
/// A text without content is null.
///
/// ```
/// let value = canary_steps::edit::read("on: yes\nmode: 0644\n").unwrap();
/// assert_eq!(value.to_string(), r#"{"mode":420,"true":true}"#);
/// assert_eq!(canary_steps::edit::read("a: *nobody\n").unwrap_err().line, 1);
/// ```
///
/// # Errors
/// [`ReadError`] with the line, counted from 1.
pub fn read(text: &str) -> Result<Value, ReadError> {
    let tree = Tree::parse(text)?;
    value::resolve(&tree).map_err(|problem| ReadError { line: 1, problem })
}

fn documents_with(manifest: &Manifest, words: &[&str]) -> Result<Vec<Document>, super::SplitError> {
    let within = |text: &str| words.iter().all(|word| text.contains(word));
    if !within(&manifest.text) {
        return Ok(Vec::new());
    }
    let mut documents = split(&manifest.text)?;
    documents.retain(|d| within(&manifest.text[d.range.clone()]));
    Ok(documents)
}

/// Calls `visit` with the value, or where it is a list (`items` is an array) with each entry, as
/// `unstructured.IsList` and `EachListItem` of k8s.io/apimachinery take it apart.
fn each_object(value: Value, object: &mut Vec<usize>, visit: &mut impl FnMut(Value, &[usize])) {
    match value {
        Value::Object(mut map) if map.get("items").is_some_and(Value::is_array) => {
            let Some(Value::Array(items)) = map.remove("items") else {
                return;
            };
            for (index, item) in items.into_iter().enumerate() {
                object.push(index);
                visit(item, object);
                object.pop();
            }
        }
        value => visit(value, object),
    }
}

fn is_kind(value: &Value, group: &str, kind: &str) -> bool {
    let version = value["apiVersion"].as_str().unwrap_or_default();
    value["kind"] == kind && version.split_once('/').is_some_and(|(g, _)| g == group)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(text: &str) -> Manifest {
        Manifest {
            name: "a.yaml".into(),
            text: text.into(),
        }
    }

    const WEB: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec:\n  strategy:\n    canary:\n      steps: []\n";

    #[test]
    fn rollouts_are_found_in_documents_lists_and_json() {
        let list = WEB
            .lines()
            .map(|l| format!("  {l}\n"))
            .collect::<String>()
            .replacen("  ", "- ", 1);
        let stream = format!(
            "kind: Service\nmetadata: {{name: Rollout argoproj.io}}\n---\n{WEB}---\napiVersion: v1\nkind: List\nitems:\n{list}- kind: Pod\n"
        );
        let json = r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{"name":"api","namespace":"x"}}"#;
        let found = find(&[manifest(&stream), manifest(json)]);
        let names: Vec<_> = found
            .rollouts
            .iter()
            .map(|r| (r.manifest, r.name(), r.object.clone(), r.line))
            .collect();
        assert_eq!(
            names,
            [
                (0, "web", vec![], 4),
                (0, "web", vec![0], 12),
                (1, "api", vec![], 1)
            ]
        );
        assert!(found.unread.is_empty());
    }

    #[test]
    fn other_kinds_and_groups_are_not_rollouts() {
        for text in [
            WEB.replace("argoproj.io/v1alpha1", "example.com/v1 # argoproj.io"),
            WEB.replace("kind: Rollout", "kind: Experiment # Rollout"),
            "a: Rollout argoproj.io".to_owned(),
        ] {
            assert!(find(&[manifest(&text)]).rollouts.is_empty(), "{text}");
        }
    }

    #[test]
    fn unreadable_documents_are_named_and_the_others_found() {
        let stream = format!("{WEB}---\nkind: Rollout # argoproj.io\na: [\n---\n{WEB}");
        let found = find(&[manifest(&stream)]);
        assert_eq!(found.rollouts.len(), 2);
        assert_eq!(found.unread.len(), 1);
        assert!(found.unread[0].line >= 9, "{}", found.unread[0]);
    }

    #[test]
    fn changes_in_several_documents_do_not_disturb_each_other() {
        let stream = format!(
            "# one\n{WEB}---\n# between\na: yes\n---\n{}# end\n",
            WEB.replace("web", "api")
        );
        let manifests = [manifest(&stream)];
        let found = find(&manifests);
        let path = ["spec", "strategy", "canary", "steps"].map(String::from).to_vec();
        let change = |to| {
            vec![Change {
                path: path.clone(),
                to,
            }]
        };
        let changes = [
            (&found.rollouts[0], change(Some(json!([{"setWeight": 5}])))),
            (&found.rollouts[1], change(None)),
        ];
        let new = write(&manifests, &changes).unwrap().remove(0);
        let one = WEB.replace("steps: []", "steps:\n      - setWeight: 5");
        let two = WEB
            .replace("web", "api")
            .replace("    canary:\n      steps: []\n", "    canary: {}\n");
        assert_eq!(
            new,
            format!("# one\n{one}---\n# between\na: yes\n---\n{two}# end\n")
        );
    }

    #[test]
    fn zero_objects_are_noticed() {
        for empty in [
            "",
            "---\n# nothing\n---\n\n",
            "null\n",
            "kind: List\nitems: []\n",
            "kind: ConfigMapList\nitems:\n",
            "# not for now, it comes back with the next release of the shop\n  # kind: ConfigMap\n  # metadata: {name: x}\n",
            "\t# nothing that would be an object, although it is a long line\nnull\n",
        ] {
            assert!(!any_object(&[manifest(empty)]), "{empty:?}");
        }
        for full in [
            "a: 1",
            "kind: List\nitems: [{a: 1}]",
            "{\"kind\":\"x\"}",
            "a: [broken",
        ] {
            assert!(any_object(&[manifest(full)]), "{full:?}");
        }
    }

    #[test]
    fn images_of_a_referenced_workload() {
        let deployment = "kind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{image: a:1}, {image: b:2}]}}}\n";
        let manifests = [manifest(&format!(
            "kind: Deployment\nmetadata: {{name: web2}}\n---\n{deployment}"
        ))];
        let images = |namespace: &str, name: &str| workload_images(&manifests, "Deployment", namespace, name);
        assert_eq!(images("", "web").unwrap(), ["a:1", "b:2"]);
        assert_eq!(images("x", "web").unwrap(), ["a:1", "b:2"]);
        assert_eq!(images("", "api"), None);
    }

    /// The last one of a name was taken, whatever its namespace.
    #[test]
    fn the_referenced_workload_is_in_the_namespace_of_the_rollout() {
        let one = |namespace: &str, image: &str| {
            format!(
                "kind: Deployment\nmetadata: {{name: web{namespace}}}\nspec: {{template: {{spec: {{containers: [{{image: {image}}}]}}}}}}\n---\n"
            )
        };
        let [staging, bare, production] = [
            one(", namespace: staging", "a:2"),
            one("", "a:3"),
            one(", namespace: production", "a:1"),
        ];
        let all = [manifest(&format!("{staging}{bare}{production}"))];
        let named = [manifest(&format!("{staging}{production}"))];
        for (manifests, namespace, image) in [
            (&all, "staging", "a:2"),
            (&all, "production", "a:1"),
            (&all, "", "a:3"),
            (&all, "else", "a:3"),
            (&named, "staging", "a:2"),
        ] {
            let found = workload_images(manifests, "Deployment", namespace, "web");
            assert_eq!(found.unwrap(), [image], "{namespace:?}");
        }
        assert_eq!(workload_images(&named, "Deployment", "else", "web"), None);
    }
}
