//! The files and variables of a command that works on a developer's folder or behind `argocd-cmp-server`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::application::Application;
use crate::plan::Parameters;
use crate::produce::{Job, Operator};
use crate::render::{Checkout, Environment, Runner};

/// Flags that all such commands share.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Folder {
    /// The Application's folder, or with --app the repository's.
    #[arg(default_value = ".")]
    pub(super) path: PathBuf,
    /// The repository's folder. Default: the one above PATH that holds .git, else PATH.
    #[arg(long)]
    pub(super) root: Option<PathBuf>,
    /// A file with the Application: its parameters, name and destination count as in Argo CD.
    #[arg(long)]
    pub(super) app: Option<PathBuf>,
    /// A value as typed in the dashboard: web=on, or =off for all. May be repeated.
    #[arg(long, value_name = "ROLLOUT=VALUE")]
    pub(super) set: Vec<String>,
    /// The operator's settings.
    #[arg(long, env = "CANARY_STEPS_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Version of Kubernetes that helm and kustomize are told.
    #[arg(long)]
    pub(super) kube_version: Option<String>,
}

/// Everything a [`Job`] borrows.
pub(super) struct Opened {
    checkout: Checkout,
    environment: Environment,
    operator: Operator,
    private: tempfile::TempDir,
}

impl Folder {
    /// Opens the folder for an Application; without one, for what the variables of this process say.
    pub(super) fn open(&self, application: Option<&Application>, with_set: bool) -> anyhow::Result<Opened> {
        let Folder {
            path,
            root,
            app: _,
            set,
            config,
            kube_version,
        } = self;
        let mut environment = Environment::of_process();
        if let Some(application) = application {
            application.write_to(&mut environment)?;
        }
        if let Some(version) = kube_version {
            environment.set("KUBE_VERSION", version);
        }
        if with_set && !set.is_empty() {
            let json = with_values(environment.get("ARGOCD_APP_PARAMETERS").unwrap_or("null"), set)?;
            environment.set("ARGOCD_APP_PARAMETERS", &json);
        }
        let source_path = application
            .map(Application::source_path)
            .filter(|p| path.join(p).is_dir());
        let app = source_path.map_or_else(|| path.clone(), |p| path.join(p));
        let app = std::fs::canonicalize(&app).with_context(|| app.display().to_string())?;
        let root = match root {
            Some(root) => std::fs::canonicalize(root).with_context(|| root.display().to_string())?,
            None => above(&app, &environment),
        };
        let relative = app.strip_prefix(&root).with_context(|| {
            format!(
                "{} is not inside the repository {}",
                app.display(),
                root.display()
            )
        })?;
        Ok(Opened {
            checkout: Checkout::open(&root, &relative.to_string_lossy())?,
            environment,
            operator: operator(config.clone()),
            private: tempfile::tempdir()?,
        })
    }

    /// The Applications of the file that --app names; one without a plugin is one too.
    pub(super) fn applications(&self) -> anyhow::Result<Vec<Application>> {
        match &self.app {
            Some(file) => Application::read(file),
            None => Ok(Vec::new()),
        }
    }

    /// The one Application of --app, if it is given.
    pub(super) fn application(&self) -> anyhow::Result<Option<Application>> {
        let mut all = self.applications()?;
        if all.len() > 1 {
            let file = self.app.as_deref().unwrap_or(Path::new("")).display();
            bail!("{file} holds {} Applications; give a file with one", all.len());
        }
        Ok(all.pop())
    }
}

impl Opened {
    pub(super) fn job(&self) -> Job<'_> {
        Job {
            checkout: &self.checkout,
            environment: &self.environment,
            operator: &self.operator,
            deadline: None,
            private: self.private.path(),
            borrowed: true,
        }
    }
}

/// The operator's side for one command.
pub(super) fn operator(config: Option<PathBuf>) -> Operator {
    const MOST: u64 = 1 << 30;
    Operator {
        config,
        runner: Runner::new(4, usize::try_from(MOST).unwrap_or(usize::MAX)),
        most_manifest_bytes: MOST,
    }
}

/// Parameters as Argo CD sends them, with `web=on` laid over.
fn with_values(json: &str, set: &[String]) -> anyhow::Result<String> {
    // Read once, so that a mistake in them is told here.
    Parameters::parse(json)?;
    let mut list: Vec<serde_json::Value> = serde_json::from_str(json).ok().unwrap_or_default();
    for pair in set {
        let Some((key, value)) = pair.split_once('=') else {
            bail!("--set {pair:?}: write a Rollout's name and a value, e.g. web=on, or =off for all");
        };
        let name = match key {
            "" | "all" | "canary" => "canary".to_owned(),
            key => format!("canary/{}", key.strip_prefix("canary/").unwrap_or(key)),
        };
        list.retain(|parameter| parameter["name"] != name);
        list.push(serde_json::json!({"name": name, "string": value}));
    }
    Ok(serde_json::to_string(&list)?)
}

/// The repository around a folder: what is left of it without the Application's path, as behind `argocd-cmp-server`, or
/// the folder above that holds `.git`.
fn above(app: &Path, environment: &Environment) -> PathBuf {
    if let Some(path) = environment.get("ARGOCD_APP_SOURCE_PATH") {
        let parts = Path::new(path)
            .components()
            .filter(|c| matches!(c, std::path::Component::Normal(_)))
            .count();
        if parts > 0 && app.ends_with(path.trim_matches('/')) {
            return app.ancestors().nth(parts).unwrap_or(app).to_owned();
        }
    }
    let repository = app.ancestors().find(|folder| folder.join(".git").exists());
    repository.unwrap_or(app).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_laid_over_parameters() {
        let json = r#"[{"name":"canary","string":"off"},{"name":"canary/web","string":"git"}]"#;
        let new = with_values(json, &["web=on".into(), "=git".into(), "api=25,pause".into()]).unwrap();
        assert_eq!(
            new,
            r#"[{"name":"canary/web","string":"on"},{"name":"canary","string":"git"},{"name":"canary/api","string":"25,pause"}]"#
        );
        assert!(with_values("null", &["web".into()]).is_err());
    }
}
