//! What the process outside of the namespace tells the one inside, and what that one tells back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tools::Toolbox;
use crate::world::Gateway;

/// A release of the Argo Rollouts controller that worlds can be started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controller {
    /// As in its tag, without the `v`.
    pub version: &'static str,
}

/// The newest and the oldest controller that the plugins support.
pub const CONTROLLERS: &[Controller] = &[Controller { version: "1.10.1" }, Controller { version: "1.7.2" }];

/// Whether scenes run long enough for a pull request or long enough for a night.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// As in `make e2e`.
    Short,
    /// As in `make soak`.
    Long,
}

/// One world and what happens in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the Argo Rollouts controller.
    pub controller: String,
    /// Names of scenes of [`crate::scenarios::SCENES`], in the order to start them.
    pub scenes: Vec<String>,
    /// Short or long.
    pub form: Form,
    /// The gateways that its scenes ask for.
    pub gateways: BTreeSet<Gateway>,
    /// The built programs.
    pub toolbox: Toolbox,
    /// The traffic router's binary; absent when no scene needs it.
    pub router: Option<PathBuf>,
    /// The metric provider's binary; absent when no scene needs it.
    pub datadog: Option<PathBuf>,
    /// The Config Management Plugin's binary; absent when no scene needs it.
    pub canary_steps: Option<PathBuf>,
    /// Folder of Argo CD's built web UI; absent when nobody looks.
    pub dashboard: Option<PathBuf>,
    /// Folder of logs, data and diagnostics.
    pub folder: PathBuf,
    /// `TMPDIR` of the controller and its plugins: a short path, because the paths of unix sockets are limited to 107
    /// bytes.
    pub sockets: PathBuf,
    /// When the run began, since the Unix epoch.
    pub begin: Duration,
    /// Leave the folder there when all went well.
    pub keep: bool,
}

impl Plan {
    /// The file inside of [`Plan::folder`] that the namespace reads.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join("plan.json")
    }

    #[cfg(test)]
    pub(crate) fn for_tests(folder: &Path) -> Self {
        Self {
            controller: CONTROLLERS[0].version.to_owned(),
            scenes: vec![],
            form: Form::Short,
            gateways: BTreeSet::new(),
            toolbox: Toolbox::default(),
            router: None,
            datadog: None,
            canary_steps: None,
            dashboard: None,
            folder: folder.to_owned(),
            sockets: folder.to_owned(),
            begin: Duration::ZERO,
            keep: false,
        }
    }

    /// Writes [`Plan::file`].
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self) -> anyhow::Result<()> {
        std::fs::write(self.file(), serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }

    /// Reads a file that [`Plan::write`] wrote.
    ///
    /// # Errors
    /// When there is no such file, or it is no plan.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }
}

/// How the scenes of one world ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Names of those that proved what they set out to.
    pub passed: Vec<String>,
    /// Names of the others, with the reason.
    pub failed: Vec<(String, String)>,
    /// Names of those that passed when they were played again in a quiet world, with the reason of the first time.
    #[serde(default)]
    pub again: Vec<(String, String)>,
}

impl Report {
    /// The file inside of [`Plan::folder`] that the namespace writes.
    #[must_use]
    pub fn file(folder: &Path) -> PathBuf {
        folder.join("report.json")
    }

    /// Adds the scenes of another world, under that world's name.
    pub fn add(&mut self, world: &str, other: Self) {
        let named = |(name, why): (String, String)| (format!("{world} {name}"), why);
        self.passed
            .extend(other.passed.into_iter().map(|name| format!("{world} {name}")));
        self.failed.extend(other.failed.into_iter().map(named));
        self.again.extend(other.again.into_iter().map(named));
    }

    /// Takes over what became of the failed scenes when they were played again.
    #[must_use]
    pub fn after(mut self, second: Self) -> Self {
        let passed = |name: &String| second.passed.contains(name);
        let (again, failed) = self.failed.into_iter().partition(|(name, _)| passed(name));
        self.failed = failed;
        // The end of that world, say.
        let new = second
            .failed
            .into_iter()
            .filter(|(name, _)| self.failed.iter().all(|(known, _)| known != name));
        self.failed.extend(new.collect::<Vec<_>>());
        self.again = again;
        self
    }

    /// What was played again and what failed, one a line, and then `N passed, N failed` alone on the last line.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for (what, scenes) in [("AT THE SECOND TIME", &self.again), ("FAILED", &self.failed)] {
            for (name, why) in scenes {
                let line = why.lines().next().unwrap_or_default();
                out.push_str(&format!("{what} {name}: {line}\n"));
            }
        }
        out.push_str(&format!(
            "{} passed, {} failed",
            self.passed.len() + self.again.len(),
            self.failed.len()
        ));
        out
    }
}

/// The root of this repository, where the workspace's `Cargo.toml` is.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate is in tests/realworld")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::for_tests(folder.path());
        plan.write().unwrap();
        assert_eq!(Plan::read(&plan.file()).unwrap(), plan);
    }

    #[test]
    fn the_summary_ends_with_the_counts_alone_on_a_line() {
        let mut all = Report::default();
        all.add(
            "1.10.1",
            Report {
                passed: vec!["release".into(), "abort".into()],
                ..Report::default()
            },
        );
        all.add(
            "1.7.2",
            Report {
                failed: vec![("release".into(), "no v2 at all".into())],
                ..Report::default()
            },
        );
        assert_eq!(
            all.summary(),
            "FAILED 1.7.2 release: no v2 at all\n2 passed, 1 failed"
        );
    }

    #[test]
    fn what_passes_at_the_second_time_is_told_and_what_does_not_stays_failed() {
        let because = |name: &str, why: &str| (name.to_owned(), why.to_owned());
        let first = Report {
            passed: vec!["abort".into()],
            failed: vec![because("release", "no v2"), because("drift", "no event")],
            ..Report::default()
        };
        let second = Report {
            passed: vec!["release".into()],
            failed: vec![because("drift", "no event again"), because("curtain", "a socket")],
            ..Report::default()
        };
        assert_eq!(
            first.after(second).summary(),
            "AT THE SECOND TIME release: no v2\nFAILED drift: no event\nFAILED curtain: a socket\n2 passed, 2 failed"
        );
    }
}
