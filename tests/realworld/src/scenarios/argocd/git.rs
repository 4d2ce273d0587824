//! The Git repository that Argo CD reads.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::example::OLD;
use crate::plan;
use crate::world::argocd::TEAM_NAMESPACE;

/// A Git repository with the example of `manifests/gateway-api`, and a Rollout of its own for what is elsewhere.
pub(super) struct Git {
    folder: PathBuf,
}

impl Git {
    pub(super) fn create(folder: &Path, host: &str) -> Result<Self> {
        let git = Self {
            folder: folder.to_owned(),
        };
        std::fs::create_dir_all(folder)?;
        git.run(&["init", "--quiet", "--initial-branch", "main"])?;
        let example = plan::repository().join("manifests/gateway-api/example");
        for file in ["rollout.yaml", "httproute.yaml", "services.yaml"] {
            let text = std::fs::read_to_string(example.join(file))?;
            let text = text.replace("argoproj/rollouts-demo:blue", &format!("shop:{OLD}"));
            git.write(&format!("shop/{file}"), &text.replace("shop.example.com", host))?;
        }
        git.write(
            "config/config.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lone-config}\n",
        )?;
        git.write("lone/rollout.yaml", LONE)?;
        git.write(
            &format!("lone/.argocd-source-{TEAM_NAMESPACE}_lone.yaml"),
            "plugin:\n  parameters:\n  - {name: canary/lone, string: careful}\n",
        )?;
        git.write("lone/.canary.yaml", "presets:\n  careful: 5,pause\n")?;
        git.commit("the example")?;
        Ok(git)
    }

    pub(super) fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    /// Commits another version of the example's image.
    pub(super) fn release(&self, version: &str) -> Result<()> {
        let file = self.folder.join("shop/rollout.yaml");
        let text = std::fs::read_to_string(&file)?;
        std::fs::write(
            &file,
            text.replace(&format!("shop:{OLD}"), &format!("shop:{version}")),
        )?;
        self.commit(version)
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.folder.join(path);
        std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        Ok(std::fs::write(path, text)?)
    }

    fn commit(&self, message: &str) -> Result<()> {
        self.run(&["add", "--all"])?;
        self.run(&[
            "-c",
            "user.name=scene",
            "-c",
            "user.email=scene@example.com",
            "commit",
            "--quiet",
            "--message",
            message,
        ])
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.folder)
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .context("start git")?;
        ensure!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

const LONE: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: lone
spec:
  replicas: 1
  selector: {matchLabels: {app: lone}}
  template:
    metadata: {labels: {app: lone}}
    spec: {containers: [{name: lone, image: 'shop:v1', ports: [{containerPort: 8080}]}]}
  strategy:
    canary:
      steps: [{setWeight: 50}]
";
