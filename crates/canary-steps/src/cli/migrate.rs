//! `migrate`: an Application with `helm`, `kustomize` or `directory` into the plugin's form. Argo CD allows one of them.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::serve::NAME;
use crate::edit::{self, Change};

/// Flags of `migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    /// A file with Applications.
    file: PathBuf,
    /// The plugin's name, as `serve --name` has it.
    #[arg(long, default_value = NAME)]
    name: String,
    /// Which of several sources, counted from 1. Default: the only one that has manifests.
    #[arg(long)]
    source: Option<usize>,
    /// Write the file instead of printing.
    #[arg(long)]
    write: bool,
}

impl Migrate {
    /// Prints or writes the file with every Application in the plugin's form; all else stays byte for byte, but for the list
    /// of `sources`, which is written anew.
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let file = self.file.display().to_string();
        let mut text = std::fs::read_to_string(&self.file).with_context(|| file.clone())?;
        let documents = edit::split(&text).with_context(|| file.clone())?;
        let mut migrated = 0;
        for document in documents.into_iter().rev() {
            let read = edit::read(&text[document.range.clone()]);
            let value = read
                .map_err(|e| anyhow::anyhow!("{file}: line {}: {}", document.line + e.line - 1, e.problem))?;
            if value["kind"] != "Application" {
                continue;
            }
            let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let changes =
                changes(&value, &self.name, self.source).with_context(|| format!("{file}: {name}"))?;
            let mut new = text[document.range.clone()].to_owned();
            for change in &changes {
                new = edit::change(&new, change).with_context(|| format!("{file}: {name}"))?;
            }
            migrated += usize::from(!changes.is_empty());
            text.replace_range(document.range, &new);
        }
        if migrated == 0 {
            bail!("{file}: there is nothing to migrate in it");
        }
        if self.write {
            std::fs::write(&self.file, text).with_context(|| file)?;
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(())
    }
}

/// The changes of one Application; none where it has a plugin already.
fn changes(application: &Value, plugin: &str, source: Option<usize>) -> anyhow::Result<Vec<Change>> {
    let spec = &application["spec"];
    let path = |keys: &[&str]| keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>();
    let Some(sources) = spec["sources"].as_array() else {
        let Some(old) = spec["source"].as_object() else {
            bail!("it has no source");
        };
        let Some(new) = plugin_of(old, plugin)? else {
            return Ok(Vec::new());
        };
        let sections = ["helm", "kustomize", "directory"]
            .into_iter()
            .filter(|s| old.contains_key(*s));
        let mut changes: Vec<_> = sections
            .map(|s| Change {
                path: path(&["spec", "source", s]),
                to: None,
            })
            .collect();
        changes.push(Change {
            path: path(&["spec", "source", "plugin"]),
            to: Some(new),
        });
        return Ok(changes);
    };
    let index = match source {
        Some(number) => number.checked_sub(1).filter(|n| *n < sources.len()),
        None => {
            let with_manifests = |s: &Value| s["path"].is_string() || s["chart"].is_string();
            let mut able = sources
                .iter()
                .enumerate()
                .filter(|(_, s)| with_manifests(s))
                .map(|(n, _)| n);
            able.next().filter(|_| able.next().is_none())
        }
    };
    let Some(index) = index else {
        bail!("it has {} sources; say which with --source", sources.len());
    };
    let old = sources[index]
        .as_object()
        .context("the source is not a mapping")?;
    let Some(new) = plugin_of(old, plugin)? else {
        return Ok(Vec::new());
    };
    let mut sources = sources.clone();
    let map = sources[index]
        .as_object_mut()
        .context("the source is not a mapping")?;
    map.retain(|key, _| !["helm", "kustomize", "directory"].contains(&key.as_str()));
    map.insert("plugin".into(), new);
    Ok(vec![Change {
        path: path(&["spec", "sources"]),
        to: Some(Value::Array(sources)),
    }])
}

/// `plugin:` for a source; `None` where it has one.
fn plugin_of(source: &Map<String, Value>, name: &str) -> anyhow::Result<Option<Value>> {
    if source.get("plugin").is_some_and(Value::is_object) {
        return Ok(None);
    }
    let mut parameters = Vec::new();
    for section in ["helm", "kustomize", "directory"] {
        let fields = source.get(section).and_then(Value::as_object);
        // A field that is left empty says nothing.
        let said = fields.into_iter().flatten().filter(|(_, value)| !value.is_null());
        for (field, value) in said {
            // Argo CD fills in variables of its own, here as there.
            let text = value
                .to_string()
                .replace("\"$ARGOCD_", "\"")
                .replace("\"${ARGOCD_", "\"");
            if (section, field.as_str()) == ("kustomize", "version") {
                bail!("kustomize.version: this plugin has one kustomize, the one beside it");
            }
            if section == "helm"
                && matches!(field.as_str(), "valueFiles" | "fileParameters")
                && text.contains("\"$")
            {
                bail!(
                    "{section}.{field} refers to another source, whose files never reach a plugin; keep the values in \
                     this repository, or keep the Helm source and put Rollouts with workloadRef into a second one"
                );
            }
            if section == "directory"
                && field == "jsonnet"
                && value.as_object().is_some_and(|m| !m.is_empty())
            {
                bail!("{section}.{field}: Jsonnet is not rendered by this plugin");
            }
            parameters.push(parameter(&format!("{section}.{field}"), value));
        }
    }
    let mut plugin = Map::from_iter([("name".to_owned(), json!(name))]);
    if !parameters.is_empty() {
        plugin.insert("parameters".into(), Value::Array(parameters));
    }
    Ok(Some(Value::Object(plugin)))
}

/// A field as a plugin parameter: text, a list or a mapping of text; what is none of them is text in JSON.
fn parameter(name: &str, value: &Value) -> Value {
    let texts = |list: &[Value]| list.iter().all(Value::is_string);
    // `name` and `value` alone is a mapping; with `forceString` it is more than that.
    let pairs = |list: &[Value]| -> Option<Map<String, Value>> {
        let pairs = list.iter().map(|entry| {
            let entry = entry
                .as_object()
                .filter(|e| e.keys().all(|k| k == "name" || k == "value"))?;
            Some((
                entry.get("name")?.as_str()?.to_owned(),
                entry.get("value")?.clone(),
            ))
        });
        pairs.collect()
    };
    match value {
        Value::String(text) => json!({"name": name, "string": text}),
        Value::Array(list) if texts(list) => json!({"name": name, "array": list}),
        Value::Array(list) => match pairs(list) {
            Some(map) => json!({"name": name, "map": map}),
            None => json!({"name": name, "string": value.to_string()}),
        },
        Value::Object(map) if !name.ends_with("Object") && map.values().all(Value::is_string) => {
            json!({"name": name, "map": map})
        }
        other => json!({"name": name, "string": other.to_string()}),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn migrate(text: &str) -> Result<String, String> {
        let value = edit::read(text).unwrap();
        let mut new = text.to_owned();
        for change in changes(&value, NAME, None).map_err(|e| e.to_string())? {
            new = edit::change(&new, &change).unwrap();
        }
        Ok(new)
    }

    #[test]
    fn helm_fields_become_parameters_and_all_else_stays() {
        let text = "\
kind: Application
metadata: {name: shop}   # kept
spec:
  source:
    repoURL: https://example.com/x   # kept too
    path: charts/shop
    helm:
      releaseName: r
      valueFiles:
      - values-prod.yaml
      parameters:
      - name: image.tag
        value: v1
      skipCrds: true
      values: |
        a: 1
        b: yes
  destination: {namespace: shop}
";
        expect![[r#"
            kind: Application
            metadata: {name: shop}   # kept
            spec:
              source:
                plugin:
                  name: "canary-steps@v1"
                  parameters:
                  - map:
                      image.tag: v1
                    name: helm.parameters
                  - name: helm.releaseName
                    string: r
                  - name: helm.skipCrds
                    string: "true"
                  - array:
                    - values-prod.yaml
                    name: helm.valueFiles
                  - name: helm.values
                    string: "a: 1\nb: yes\n"
                repoURL: https://example.com/x   # kept too
                path: charts/shop
              destination: {namespace: shop}
        "#]]
        .assert_eq(&migrate(text).unwrap());
    }

    #[test]
    fn what_a_plugin_cannot_have_is_an_error() {
        let text = "kind: Application\nspec: {source: {path: a, helm: {valueFiles: [$values/a.yaml]}}}\n";
        assert!(migrate(text).unwrap_err().contains("refers to another source"));
        let text = "kind: Application\nspec: {source: {path: a, kustomize: {version: v4.5.7}}}\n";
        assert!(migrate(text).unwrap_err().contains("has one kustomize"));
        let text = "kind: Application\nspec: {sources: [{path: a}, {path: b}]}\n";
        assert!(migrate(text).unwrap_err().contains("--source"));
    }

    /// `releaseName:` became the text "null", and every object another name.
    #[test]
    fn empty_fields_are_left_out_and_argo_cds_variables_are_no_sources() {
        let text = "kind: Application\nspec: {source: {path: a, helm: {releaseName: , valueFiles: [$ARGOCD_APP_NAME/a.yaml]}}}\n";
        let new = edit::read(&migrate(text).unwrap()).unwrap();
        assert_eq!(
            new["spec"]["source"]["plugin"]["parameters"],
            json!([{"name": "helm.valueFiles", "array": ["$ARGOCD_APP_NAME/a.yaml"]}])
        );
    }

    #[test]
    fn the_source_with_manifests_is_migrated() {
        let text =
            "kind: Application\nspec: {sources: [{ref: values}, {path: b, kustomize: {images: [a=b]}}]}\n";
        let new = edit::read(&migrate(text).unwrap()).unwrap();
        assert_eq!(
            new["spec"]["sources"],
            json!([{"ref": "values"}, {"path": "b", "plugin": {"name": NAME, "parameters": [{"name": "kustomize.images", "array": ["a=b"]}]}}])
        );
        assert_eq!(
            migrate("kind: Application\nspec: {source: {plugin: {name: x}}}\n")
                .unwrap()
                .matches("plugin")
                .count(),
            1
        );
    }
}
