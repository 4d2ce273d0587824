//! From a repository to manifests, as Argo CD's own sources make them. Reads files and starts `helm` and `kustomize`.

mod checkout;
mod environment;
mod helm;
mod kustomize;
mod memory;
mod options;
mod plain;
mod process;

use std::fs;
use std::path::Path;

use tokio::time::Instant;

pub use checkout::Checkout;
pub use environment::Environment;
pub use memory::InMemory;
pub use options::{DirectoryOptions, HelmOptions, KustomizeOptions, Options, Parameter, Tool};
pub use process::{ProcessError, Runner};

use crate::edit::Manifest;

/// Name of a repository's settings file, in the Application's folder and in the root.
pub const SETTINGS_FILE: &str = ".canary.yaml";

/// Why no manifests could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A path that leads nowhere or out of the repository.
    #[error("path {path:?}: {problem}")]
    Path {
        /// As it was asked for.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file that cannot be used.
    #[error("{file}: {problem}")]
    File {
        /// Relative to the Application's folder.
        file: String,
        /// What is wrong in it.
        problem: String,
    },
    /// An option of rendering that is wrong.
    #[error("{0}")]
    Option(String),
    /// Something that Argo CD's own source can and this plugin cannot.
    #[error("{0}")]
    Unsupported(String),
    /// The files are too large together.
    #[error(
        "the manifests of the folder are larger than {most_bytes} bytes together; raise --max-manifest-bytes"
    )]
    TooLarge {
        /// The most they may be.
        most_bytes: u64,
    },
    /// The disk failed.
    #[error("{file}: {problem}")]
    Io {
        /// Relative to the repository.
        file: String,
        /// What the system said.
        problem: String,
    },
    /// `helm` or `kustomize` failed.
    #[error(transparent)]
    Process(ProcessError),
}

impl RenderError {
    fn io(error: &std::io::Error, file: &Path, checkout: &Checkout) -> RenderError {
        RenderError::Io {
            file: checkout.redact(&file.to_string_lossy()),
            problem: error.to_string(),
        }
    }

    fn process(error: ProcessError, checkout: &Checkout) -> RenderError {
        RenderError::Process(match error {
            ProcessError::Failed { program, stderr } => ProcessError::Failed {
                program,
                stderr: checkout.redact(&stderr),
            },
            other => other,
        })
    }
}

/// All that rendering needs.
#[derive(Debug, Clone)]
pub struct Request<'r> {
    /// The files.
    pub checkout: &'r Checkout,
    /// The variables that came with them.
    pub environment: &'r Environment,
    /// How children are run.
    pub runner: &'r Runner,
    /// When everything must have ended.
    pub deadline: Option<Instant>,
    /// A folder for homes and copies, outside the repository.
    pub private: &'r Path,
    /// Whether the files belong to somebody and must not be written.
    pub borrowed: bool,
    /// The most bytes of a plain directory's manifests.
    pub most_bytes: u64,
    /// Schemes of addresses that may stand for value files.
    pub value_file_schemes: Vec<String>,
}

impl Request<'_> {
    /// The Helm release: the option, or the Application's name without its namespace.
    fn release<'a>(&'a self, options: &'a HelmOptions) -> &'a str {
        let name = self.environment.get("ARGOCD_APP_NAME").unwrap_or("release");
        let bare = name.split_once('_').map_or(name, |(_, bare)| bare);
        options.release_name.as_deref().unwrap_or(bare)
    }

    fn private_folder(&self) -> Result<tempfile::TempDir, RenderError> {
        tempfile::tempdir_in(self.private).map_err(|e| RenderError::io(&e, self.private, self.checkout))
    }

    /// The same files where they may be written.
    fn copy_into(&self, home: &Path) -> Result<Checkout, RenderError> {
        let (original, folder) = (self.checkout, home.join("copy"));
        copy_tree(original.root(), &folder).map_err(|e| RenderError::io(&e, original.root(), original))?;
        let relative = original
            .app()
            .strip_prefix(original.root())
            .unwrap_or(Path::new("."));
        Checkout::open(&folder, &relative.to_string_lossy())
    }
}

/// Copies a folder; links stay links.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if entry.file_name() != ".git" {
                copy_tree(&source, &target)?;
            }
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// What makes the manifests of a folder where nothing says so.
///
/// Follows `Discover` in argo-cd `util/app/discovery/discovery.go`: names are taken in order and the last that says
/// something counts, so a kustomization beats a Chart.yaml.
#[must_use]
pub fn tool(checkout: &Checkout) -> Tool {
    let entries = checkout.entries(false).unwrap_or_default();
    let names = entries.iter().filter_map(|e| e.path.file_name());
    let names: Vec<_> = names.map(|n| n.to_string_lossy()).collect();
    let says = names.iter().rev().find_map(|name| match &**name {
        name if name.ends_with("Chart.yaml") => Some(Tool::Helm),
        name if kustomize::FILES.contains(&name) => Some(Tool::Kustomize),
        _ => None,
    });
    says.unwrap_or(Tool::Directory)
}

/// Makes the manifests.
///
/// # Errors
/// [`RenderError`]; messages know only paths of the repository.
pub async fn render(request: &Request<'_>, options: &Options) -> Result<(Tool, Vec<Manifest>), RenderError> {
    let broken =
        |e: tokio::task::JoinError| RenderError::Unsupported(format!("reading the folder broke off: {e}"));
    let tool = match options.tool {
        Some(tool) => tool,
        None => {
            let checkout = request.checkout.clone();
            let found = tokio::task::spawn_blocking(move || tool(&checkout));
            found.await.map_err(broken)?
        }
    };
    if tool != Tool::Directory && request.checkout.is_in_memory() {
        let folder = request.private_folder()?;
        let (checkout, place) = (request.checkout.clone(), folder.path().to_owned());
        let written = tokio::task::spawn_blocking(move || checkout.on_disk(&place));
        let checkout = &written.await.map_err(broken)??;
        let request = Request {
            checkout,
            ..request.clone()
        };
        return Box::pin(render_with(&request, options, tool)).await;
    }
    render_with(request, options, tool).await
}

async fn render_with(
    request: &Request<'_>,
    options: &Options,
    tool: Tool,
) -> Result<(Tool, Vec<Manifest>), RenderError> {
    let manifests = match tool {
        Tool::Helm => helm::render(request, &options.helm, &request.value_file_schemes).await?,
        Tool::Kustomize => kustomize::render(request, &options.kustomize).await?,
        Tool::Directory => {
            let (checkout, options, most) = (
                request.checkout.clone(),
                options.directory.clone(),
                request.most_bytes,
            );
            let read = tokio::task::spawn_blocking(move || plain::render(&checkout, &options, most));
            read.await
                .map_err(|e| RenderError::Unsupported(format!("reading the folder broke off: {e}")))??
        }
    };
    Ok((tool, manifests))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_is_found_from_the_files() {
        for (files, expected) in [
            (&["a.yaml"][..], Tool::Directory),
            (&["Chart.yaml", "a.yaml"], Tool::Helm),
            (&["kustomization.yml"], Tool::Kustomize),
            (&["Kustomization", "Chart.yaml"], Tool::Kustomize),
            (&["Chart.yaml", "kustomization.yaml"], Tool::Kustomize),
            (&["Kustomization", "MyChart.yaml"], Tool::Helm),
            (&["sub/Chart.yaml"], Tool::Directory),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for file in files {
                let path = folder.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }
            assert_eq!(
                tool(&Checkout::open(folder.path(), ".").unwrap()),
                expected,
                "{files:?}"
            );
        }
    }
}
