//! `helm template`, as Argo CD's Helm source calls it.
//!
//! Follows `helmTemplate` in argo-cd `reposerver/repository/repository.go` and `Cmd.template` in `util/helm/cmd.go`.
//! Two differences: parameters come in the order of their names (Go's order is random), and credentials of Helm
//! repositories are not there, as Argo CD gives none to a plugin.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::checkout::Checkout;
use super::environment::Environment;
use super::options::HelmOptions;
use super::process::{Call, ProcessError, Runner, clean};
use super::{RenderError, Request};
use crate::edit::Manifest;

pub(super) async fn render(
    request: &Request<'_>,
    options: &HelmOptions,
    schemes: &[String],
) -> Result<Vec<Manifest>, RenderError> {
    let Request {
        checkout,
        environment,
        runner,
        deadline,
        ..
    } = request;
    let home = request.private_folder()?;
    let helm = Helm {
        checkout,
        environment,
        runner,
        deadline: *deadline,
        home: home.path(),
    };
    let args = helm.template_args(options, schemes, request.release(options))?;
    // `helm template` writes a Chart.lock that stops a later `dependency build` (helm#6870).
    let lock = checkout.app().join("Chart.lock");
    let had_lock = lock.exists();
    let first = helm.run(args.clone()).await;
    if !had_lock {
        let _ = fs::remove_file(&lock);
    }
    let text = match first {
        Err(ProcessError::Failed { stderr, .. }) if misses_dependencies(&stderr) => {
            // `helm dependency build` writes; where the files are somebody's, it writes to a copy.
            let copy = match request.borrowed {
                true => Some(request.copy_into(home.path())?),
                false => None,
            };
            let helm = Helm {
                checkout: copy.as_ref().unwrap_or(checkout),
                ..helm
            };
            helm.build_dependencies().await?;
            let args = helm.template_args(options, schemes, request.release(options))?;
            helm.run(args).await
        }
        other => other,
    };
    let text = text.map_err(|e| RenderError::process(e, checkout))?;
    Ok(vec![Manifest {
        name: "helm template".into(),
        text,
    }])
}

/// As Argo CD lists them: versions, and kinds in versions.
const ROLLOUT_API: &str = "argoproj.io/v1alpha1,argoproj.io/v1alpha1/Rollout";

struct Helm<'h> {
    checkout: &'h Checkout,
    environment: &'h Environment,
    runner: &'h Runner,
    deadline: Option<Instant>,
    home: &'h Path,
}

impl Helm<'_> {
    async fn run(&self, args: Vec<OsString>) -> Result<String, ProcessError> {
        let call = Call {
            program: "helm",
            args,
            folder: self.checkout.app(),
            env: clean(self.home, self.environment),
            deadline: self.deadline,
        };
        self.runner.run(call).await
    }

    fn template_args(
        &self,
        options: &HelmOptions,
        schemes: &[String],
        release: &str,
    ) -> Result<Vec<OsString>, RenderError> {
        let env = self.environment;
        let mut args = Args(vec!["template".into(), ".".into()]);
        args.pair("--name-template", release);
        let namespace = options.namespace.as_deref().or(env.get("ARGOCD_APP_NAMESPACE"));
        if let Some(namespace) = namespace {
            args.pair("--namespace", namespace);
        }
        if let Some(version) = options.kube_version.as_deref().or(env.get("KUBE_VERSION")) {
            args.pair("--kube-version", version);
        }
        let mut parameters: Vec<_> = options.parameters.iter().collect();
        parameters.sort_by(|a, b| (a.force_string, &a.name).cmp(&(b.force_string, &b.name)));
        for parameter in parameters {
            let flag = if parameter.force_string {
                "--set-string"
            } else {
                "--set"
            };
            let value = escape_commas(&env.substitute(&parameter.value));
            args.pair(flag, &format!("{}={value}", parameter.name));
        }
        let mut files: Vec<_> = options.file_parameters.iter().collect();
        files.sort();
        for (name, path) in files {
            let file = self.value_file(path, schemes)?;
            args.pair(
                "--set-file",
                &format!("{name}={}", escape_commas(&file.to_string_lossy())),
            );
        }
        for path in &options.value_files {
            let file = self.value_file(path, schemes)?;
            if options.ignore_missing_value_files && file.is_absolute() && !file.exists() {
                continue;
            }
            args.path("--values", &file);
        }
        if let Some(values) = inline_values(options) {
            let file = self.home.join("values.yaml");
            fs::write(&file, values).map_err(|e| RenderError::io(&e, &file, self.checkout))?;
            args.path("--values", &file);
        }
        let own = options.api_versions.iter().map(String::as_str);
        // An announcement comes without what the cluster serves; one with this plugin serves Rollouts.
        let cluster = env
            .get("KUBE_API_VERSIONS")
            .unwrap_or(ROLLOUT_API)
            .split(',')
            .filter(|v| !v.is_empty());
        let own_set = !options.api_versions.is_empty();
        for version in own.chain(cluster.filter(|_| !own_set)) {
            args.pair("--api-versions", version);
        }
        for (flag, set) in [
            ("--include-crds", !options.skip_crds),
            ("--skip-schema-validation", options.skip_schema_validation),
            ("--skip-tests", options.skip_tests),
        ] {
            if set {
                args.0.push(flag.into());
            }
        }
        Ok(args.0)
    }

    /// A file of the repository, or where the operator allows it an address.
    fn value_file(&self, path: &str, schemes: &[String]) -> Result<PathBuf, RenderError> {
        let path = self.environment.substitute(path);
        if let Some((scheme, _)) = path.split_once(':').filter(|(s, _)| is_scheme(s)) {
            if schemes.iter().any(|s| s.eq_ignore_ascii_case(scheme)) {
                return Ok(path.into());
            }
            return Err(RenderError::Option(format!(
                "helm.valueFiles: the scheme of {path:?} is not allowed"
            )));
        }
        let there = self.checkout.file(&path)?;
        let missing = || match path.strip_prefix('/') {
            Some(from_root) => self.checkout.root().join(from_root),
            None => self.checkout.app().join(&path),
        };
        Ok(there.unwrap_or_else(missing))
    }

    /// `helm dependency build`, with the repositories that the chart names and that ask for no password.
    async fn build_dependencies(&self) -> Result<(), RenderError> {
        for (name, address) in self.repositories() {
            let args = ["repo", "add", &name, &address].map(OsString::from).to_vec();
            self.run(args)
                .await
                .map_err(|e| RenderError::process(e, self.checkout))?;
        }
        let args = ["dependency", "build"].map(OsString::from).to_vec();
        self.run(args)
            .await
            .map_err(|e| RenderError::process(e, self.checkout))?;
        Ok(())
    }

    /// Addresses of the chart's dependencies that `helm repo add` must know first.
    fn repositories(&self) -> Vec<(String, String)> {
        let mut addresses = Vec::new();
        for file in ["Chart.yaml", "requirements.yaml"] {
            let text = fs::read_to_string(self.checkout.app().join(file)).unwrap_or_default();
            let Ok(chart) = crate::edit::read(&text) else {
                continue;
            };
            let dependencies = chart["dependencies"].as_array().into_iter().flatten();
            addresses.extend(dependencies.filter_map(|d| d["repository"].as_str().map(str::to_owned)));
        }
        addresses.retain(|a| a.starts_with("http://") || a.starts_with("https://"));
        addresses.sort();
        addresses.dedup();
        addresses
            .into_iter()
            .enumerate()
            .map(|(n, a)| (format!("dependency-{n}"), a))
            .collect()
    }
}

struct Args(Vec<OsString>);

impl Args {
    fn pair(&mut self, flag: &str, value: &str) {
        self.0.extend([flag.into(), value.into()]);
    }

    fn path(&mut self, flag: &str, value: &Path) {
        self.0.extend([flag.into(), value.into()]);
    }
}

/// `ValuesYAML` of argo-cd: `valuesObject` beats `values`.
fn inline_values(options: &HelmOptions) -> Option<String> {
    match (&options.values_object, &options.values) {
        (Some(object), _) => Some(object.to_string()),
        (None, values) => values.clone(),
    }
}

/// `IsMissingDependencyErr` in argo-cd `util/helm/helm.go`.
fn misses_dependencies(stderr: &str) -> bool {
    stderr.contains("found in requirements.yaml, but missing in charts")
        || stderr.contains("found in Chart.yaml, but missing in charts/ directory")
}

/// `cleanSetParameters` in argo-cd `util/helm/cmd.go`: a comma separates parameters to helm, unless it is escaped or the
/// value is a list.
fn escape_commas(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    let mut before = ' ';
    for c in value.chars() {
        if c == ',' && before != '\\' {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::super::options::Parameter;
    use super::*;

    fn args(options: &HelmOptions, vars: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("chart")).unwrap();
        for file in ["chart/a.yaml", "b.yaml"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let checkout = Checkout::open(folder.path(), "chart").unwrap();
        let environment = vars
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let home = tempfile::tempdir().unwrap();
        let helm = Helm {
            checkout: &checkout,
            environment: &environment,
            runner: &Runner::new(1, 1),
            deadline: None,
            home: home.path(),
        };
        let args = helm.template_args(options, &["https".into()], "shop").unwrap();
        let shown = |a: OsString| {
            checkout
                .redact(&a.to_string_lossy())
                .replace(&*home.path().to_string_lossy(), "HOME")
        };
        args.into_iter().map(shown).collect()
    }

    #[test]
    fn the_command_line_is_the_repo_servers() {
        let parameter = |name: &str, value: &str, force_string| Parameter {
            name: name.into(),
            value: value.into(),
            force_string,
        };
        let options = HelmOptions {
            value_files: ["a.yaml", "../b.yaml", "/b.yaml", "none.yaml", "https://x/y"]
                .map(String::from)
                .to_vec(),
            ignore_missing_value_files: true,
            values: Some("a: 1".into()),
            parameters: vec![
                parameter("z", "{a,b}", false),
                parameter("s", "007", true),
                parameter("a.b", "x,y\\,$ARGOCD_ENV_TAG", false),
            ],
            file_parameters: vec![("f".into(), "a.yaml".into())],
            skip_crds: true,
            skip_tests: true,
            ..HelmOptions::default()
        };
        let vars = [
            ("ARGOCD_APP_NAMESPACE", "dest"),
            ("KUBE_VERSION", "1.35.4"),
            ("KUBE_API_VERSIONS", "v1,apps/v1"),
            ("ARGOCD_ENV_TAG", "v2"),
        ];
        assert_eq!(
            args(&options, &vars).join(" "),
            "template . --name-template shop --namespace dest --kube-version 1.35.4 --set a.b=x\\,y\\,v2 --set z={a,b} \
             --set-string s=007 --set-file f=chart/a.yaml --values chart/a.yaml --values b.yaml --values b.yaml \
             --values https://x/y --values HOME/values.yaml --api-versions v1 --api-versions apps/v1 --skip-tests"
        );
    }

    /// A chart that looks for the kind had no row in the dashboard, and its value was said to be gone.
    #[test]
    fn of_what_is_unknown_only_rollouts_are_passed() {
        // An announcement knows neither namespace nor cluster.
        assert_eq!(
            args(&HelmOptions::default(), &[]).join(" "),
            "template . --name-template shop --api-versions argoproj.io/v1alpha1 \
             --api-versions argoproj.io/v1alpha1/Rollout --include-crds"
        );
    }
}
