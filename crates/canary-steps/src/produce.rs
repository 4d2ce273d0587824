//! One Application from its files to what Argo CD is answered: settings, rendering and the plan put together. The server
//! and the commands all go through here, so what is previewed is what will happen.

use std::path::{Path, PathBuf};

use tokio::time::Instant;

use crate::edit::Manifest;
use crate::plan::{
    self, Announcement, Application, Owner, ParameterError, Parameters, PlanError, Settings, SettingsError,
};
use crate::render::{
    self, Checkout, Environment, Options, RenderError, Request, Runner, SETTINGS_FILE, Tool,
};

/// What the operator decides, the same for all Applications.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Mounted settings. Read at each request, so that a changed ConfigMap counts at once; Argo CD's own cache of
    /// manifests does not notice it.
    pub config: Option<PathBuf>,
    /// How children are run.
    pub runner: Runner,
    /// The most bytes of a plain directory's manifests.
    pub most_manifest_bytes: u64,
}

/// An Application's files and variables.
#[derive(Debug, Clone)]
pub struct Job<'j> {
    /// The files.
    pub checkout: &'j Checkout,
    /// The variables that Argo CD sends with them.
    pub environment: &'j Environment,
    /// The operator's side.
    pub operator: &'j Operator,
    /// When everything must have ended.
    pub deadline: Option<Instant>,
    /// A folder for homes and copies, outside the repository.
    pub private: &'j Path,
    /// Whether the files belong to somebody and must not be written.
    pub borrowed: bool,
}

/// Why no manifests come out. The text is what a developer sees when an edit is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant is the error of one part, described there"
)]
pub enum GenerateError {
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("deciding on the steps broke off: {0}")]
    Broken(String),
}

/// Work that may wait for a disk, or takes long, on a thread where that keeps no other call from its answer.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, GenerateError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| GenerateError::Broken(e.to_string()))
}

/// An Application made ready for planning.
#[derive(Debug)]
pub struct Prepared {
    /// Its manifests, before anything is switched.
    pub manifests: Vec<Manifest>,
    /// All settings laid over each other.
    pub settings: Settings,
    /// Its name and parameters.
    pub application: Application,
    /// What made the manifests.
    pub tool: Tool,
}

/// The manifests, with the steps switched.
///
/// # Errors
/// [`GenerateError`]; nothing is handed over by halves.
pub async fn generate(job: &Job<'_>) -> Result<Vec<String>, GenerateError> {
    let Prepared {
        manifests,
        settings,
        application,
        ..
    } = prepare(job).await?;
    let planned = aside(move || {
        plan::plan(&manifests, &settings, &application).apply(&manifests, &settings, &application)
    });
    Ok(planned.await??)
}

/// The parameters. Never fails: the web UI shows a plain directory then; what is wrong is said in a title.
pub async fn announce(job: &Job<'_>) -> Vec<Announcement> {
    let Prepared {
        manifests,
        settings,
        application,
        ..
    } = match prepare(job).await {
        Ok(prepared) => prepared,
        Err(error) => return announce_problem(job, &error.to_string()).await,
    };
    let planned = aside(move || {
        let plan = plan::plan(&manifests, &settings, &application);
        plan::announce(&plan, &settings, &application)
    });
    match planned.await {
        Ok(list) => list,
        Err(error) => announce_problem(job, &error.to_string()).await,
    }
}

/// What is announced where the manifests cannot be made: the problem, and what is set, so that it can be reset.
pub async fn announce_problem(job: &Job<'_>, problem: &str) -> Vec<Announcement> {
    let settings = settings(job).await.unwrap_or_default();
    let parameters = Parameters::parse(parameters_json(job)).unwrap_or_default();
    plan::announce_problem(problem, &settings, &application(job, parameters))
}

/// Whether a folder asks for this plugin by having settings for it.
#[must_use]
pub fn asks_for_us(checkout: &Checkout) -> bool {
    matches!(checkout.file(SETTINGS_FILE), Ok(Some(_)))
}

/// Reads settings and parameters and makes the manifests.
///
/// # Errors
/// [`GenerateError`] of the part that failed.
pub async fn prepare(job: &Job<'_>) -> Result<Prepared, GenerateError> {
    let settings = settings(job).await?;
    let parameters = Parameters::parse(parameters_json(job))?;
    let mut rendering = settings.rendering.clone();
    for (section, value) in parameters.rendering.clone() {
        plan::lay_rendering(&mut rendering, &section, value).map_err(ParameterError)?;
    }
    let value_file_schemes = value_file_schemes(&mut rendering).map_err(|problem| SettingsError {
        file: "operator's settings".to_owned(),
        problem,
    })?;
    let options = Options::read(&rendering)?;
    let request = Request {
        checkout: job.checkout,
        environment: job.environment,
        runner: &job.operator.runner,
        deadline: job.deadline,
        private: job.private,
        borrowed: job.borrowed,
        most_bytes: job.operator.most_manifest_bytes,
        value_file_schemes,
    };
    let (tool, manifests) = render::render(&request, &options).await?;
    let mut application = application(job, parameters);
    if tool == Tool::Helm && options.helm.release_name.is_none() {
        application.release = Some(application.bare_name().to_owned());
    }
    Ok(Prepared {
        manifests,
        settings,
        application,
        tool,
    })
}

/// Reads settings and parameters alone, for manifests that somebody else has made.
///
/// # Errors
/// [`GenerateError`] of the part that failed.
pub async fn settle(job: &Job<'_>) -> Result<(Settings, Application), GenerateError> {
    let parameters = Parameters::parse(parameters_json(job))?;
    Ok((settings(job).await?, application(job, parameters)))
}

async fn settings(job: &Job<'_>) -> Result<Settings, GenerateError> {
    let (checkout, config) = (job.checkout.clone(), job.operator.config.clone());
    Ok(aside(move || read_settings(&checkout, config.as_deref())).await??)
}

/// The operator's settings, then the repository's, then the folder's, each over the one before.
fn read_settings(checkout: &Checkout, config: Option<&Path>) -> Result<Settings, SettingsError> {
    let unread = |file: &str, error: &dyn std::fmt::Display| SettingsError {
        file: file.to_owned(),
        problem: error.to_string(),
    };
    let mut settings = Settings::default();
    if let Some(file) = config {
        let text = std::fs::read_to_string(file).map_err(|e| unread("operator's settings", &e))?;
        settings = settings.lay("operator's settings", &text, Owner::Operator)?;
    }
    let mut places = vec![format!("/{SETTINGS_FILE}")];
    if checkout.app() != checkout.root() {
        places.push(SETTINGS_FILE.to_owned());
    }
    for place in places {
        let name = place.trim_start_matches('/');
        if let Some(file) = checkout.file(&place).map_err(|e| unread(name, &e))? {
            let text = checkout.text(&file).map_err(|e| unread(name, &e))?;
            settings = settings.lay(name, &text, Owner::Repository)?;
        }
    }
    Ok(settings)
}

fn parameters_json<'j>(job: &Job<'j>) -> &'j str {
    job.environment.get("ARGOCD_APP_PARAMETERS").unwrap_or("null")
}

fn application(job: &Job<'_>, parameters: Parameters) -> Application {
    let text = |name: &str| job.environment.get(name).map(str::to_owned);
    Application {
        name: text("ARGOCD_APP_NAME").unwrap_or_default(),
        namespace: text("ARGOCD_APP_NAMESPACE"),
        project: text("ARGOCD_APP_PROJECT_NAME"),
        release: None,
        parameters,
    }
}

/// Takes the operator's list of schemes out of the options; https and http where there is none, as Argo CD has it.
///
/// # Errors
/// When it is neither a list of text nor text with commas, which argocd-cm has.
fn value_file_schemes(
    rendering: &mut serde_json::Map<String, serde_json::Value>,
) -> Result<Vec<String>, String> {
    let helm = rendering
        .get_mut("helm")
        .and_then(serde_json::Value::as_object_mut);
    let listed = helm.and_then(|helm| helm.remove("valueFilesSchemes"));
    let texts = |text: &str| {
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    };
    let wrong = |value: &serde_json::Value| {
        format!("helm.valueFilesSchemes is {value}; it takes a list of text like [https]")
    };
    match listed {
        None | Some(serde_json::Value::Null) => Ok(texts("https,http")),
        Some(serde_json::Value::String(text)) => Ok(texts(&text)),
        Some(serde_json::Value::Array(list)) => {
            let list = list
                .iter()
                .map(|v| v.as_str().map(str::to_owned).ok_or_else(|| wrong(v)));
            list.collect()
        }
        Some(other) => Err(wrong(&other)),
    }
}
