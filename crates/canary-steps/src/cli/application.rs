//! Applications of Argo CD in files.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::edit;
use crate::render::Environment;

/// An Application as it is written.
#[derive(Debug, Clone)]
pub(super) struct Application {
    value: Value,
}

impl Application {
    /// Reads all Applications of a file; other objects are passed over.
    pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Application>> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let mut found = Vec::new();
        for document in edit::split(&text).with_context(|| file.display().to_string())? {
            let value = edit::read(&text[document.range]).map_err(|e| {
                let line = document.line + e.line - 1;
                anyhow::anyhow!("{}: line {line}: {}", file.display(), e.problem)
            })?;
            if value["kind"] == "Application" {
                found.push(Application { value });
            }
        }
        if found.is_empty() {
            bail!("{}: there is no Application in it", file.display());
        }
        Ok(found)
    }

    pub(super) fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The source with a plugin, or the only one.
    pub(super) fn source(&self) -> &Value {
        let spec = &self.value["spec"];
        match spec["sources"].as_array() {
            Some(sources) => {
                let with_plugin = sources.iter().find(|s| s["plugin"].is_object());
                with_plugin.or(sources.first()).unwrap_or(&Value::Null)
            }
            None => &spec["source"],
        }
    }

    pub(super) fn source_path(&self) -> &str {
        self.source()["path"].as_str().unwrap_or_default()
    }

    /// Sets the variables that Argo CD would send with it.
    pub(super) fn write_to(&self, environment: &mut Environment) -> anyhow::Result<()> {
        let spec = &self.value["spec"];
        let source = self.source();
        for (name, value) in [
            ("ARGOCD_APP_NAME", &self.value["metadata"]["name"]),
            ("ARGOCD_APP_NAMESPACE", &spec["destination"]["namespace"]),
            ("ARGOCD_APP_PROJECT_NAME", &spec["project"]),
            ("ARGOCD_APP_SOURCE_REPO_URL", &source["repoURL"]),
            ("ARGOCD_APP_SOURCE_PATH", &source["path"]),
            ("ARGOCD_APP_SOURCE_TARGET_REVISION", &source["targetRevision"]),
        ] {
            environment.set(name, value.as_str().unwrap_or_default());
        }
        let plugin = &source["plugin"];
        for entry in plugin["env"].as_array().into_iter().flatten() {
            if let (Some(name), Some(value)) = (entry["name"].as_str(), entry["value"].as_str()) {
                let value = environment.substitute(value);
                environment.set(&format!("ARGOCD_ENV_{name}"), &value);
            }
        }
        let mut parameters = plugin["parameters"].as_array().cloned().unwrap_or_default();
        if !plugin.is_object() {
            // Not migrated yet: its own fields say how it is rendered.
            for section in ["helm", "kustomize", "directory"] {
                if source[section].is_object() {
                    let text = source[section].to_string();
                    parameters.push(json!({"name": section, "string": text}));
                }
            }
        }
        environment.set("ARGOCD_APP_PARAMETERS", &serde_json::to_string(&parameters)?);
        Ok(())
    }
}
