//! `lint`: the mistakes of a repository's presets and of Applications' parameters, found in CI.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use super::application::Application;
use super::folder::Folder;
use super::runtime;
use crate::edit::{self, Rollout, Strategy};
use crate::plan::{self, Owner, Settings};
use crate::produce::{self, Prepared};
use crate::render::SETTINGS_FILE;
use crate::syntax::{self, Item};

/// Flags of `lint`.
#[derive(Debug, clap::Args)]
pub(super) struct Lint {
    #[command(flatten)]
    folder: Folder,
    /// More files with Applications.
    #[arg(long = "also", value_name = "FILE")]
    also: Vec<PathBuf>,
    /// Warnings fail too.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error,
    Warning,
}

#[derive(Debug, Default)]
struct Findings(Vec<(Level, String)>);

impl Findings {
    fn error(&mut self, about: &str, text: impl std::fmt::Display) {
        self.0.push((Level::Error, format!("{about}: {text}")));
    }

    fn warning(&mut self, about: &str, text: impl std::fmt::Display) {
        self.0.push((Level::Warning, format!("{about}: {text}")));
    }
}

impl Lint {
    /// Prints what it finds; `true` where that is a failure.
    pub(super) fn run(&self) -> anyhow::Result<bool> {
        let mut findings = Findings::default();
        self.settings_files(&mut findings)?;
        let mut applications = self.folder.applications()?;
        for file in &self.also {
            applications.extend(Application::read(file)?);
        }
        if applications.is_empty() {
            self.one(None, &mut findings)?;
        }
        for application in &applications {
            self.one(Some(application), &mut findings)?;
        }

        findings.0.sort();
        findings.0.dedup();
        let mut out = std::io::stdout().lock();
        for (level, text) in &findings.0 {
            let level = if *level == Level::Error {
                "error"
            } else {
                "warning"
            };
            writeln!(out, "{level}: {text}")?;
        }
        let worst = if self.strict { Level::Warning } else { Level::Error };
        let failed = findings.0.iter().filter(|(level, _)| *level <= worst).count();
        let all = match findings.0.len() {
            1 => "1 finding".to_owned(),
            n => format!("{n} findings"),
        };
        writeln!(out, "{all}, {failed} to fail for")?;
        Ok(failed > 0)
    }

    /// Reads every settings file below the folder alone, so that one mistake does not hide another.
    fn settings_files(&self, findings: &mut Findings) -> anyhow::Result<()> {
        let mut folders = vec![self.folder.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    if entry.file_name() != ".git" {
                        folders.push(path);
                    }
                } else if entry.file_name() == SETTINGS_FILE {
                    let name = path
                        .strip_prefix(&self.folder.path)
                        .unwrap_or(&path)
                        .display()
                        .to_string();
                    let text = std::fs::read_to_string(&path).with_context(|| name.clone())?;
                    if let Err(error) = Settings::default().lay(&name, &text, Owner::Repository) {
                        findings.error(&error.file, error.problem);
                    }
                }
            }
        }
        Ok(())
    }

    fn one(&self, application: Option<&Application>, findings: &mut Findings) -> anyhow::Result<()> {
        let about =
            application.map_or_else(|| self.folder.path.display().to_string(), |a| a.name().to_owned());
        let opened = self.folder.open(application, true)?;
        match runtime()?.block_on(produce::prepare(&opened.job())) {
            Ok(prepared) => check(&about, &prepared, findings),
            Err(error) => findings.error(&about, error),
        }
        Ok(())
    }
}

fn check(about: &str, prepared: &Prepared, findings: &mut Findings) {
    let Prepared {
        manifests,
        settings,
        application,
        tool: _,
    } = prepared;
    let plan = plan::plan(manifests, settings, application);
    for problem in &plan.problems {
        findings.error(about, problem);
    }
    for unread in &plan.found.unread {
        findings.error(about, unread);
    }
    for key in &plan.gone {
        findings.warning(
            about,
            format!("canary/{key}: there is no such Rollout in the manifests"),
        );
    }
    let templates = [
        edit::names_of(manifests, "AnalysisTemplate"),
        edit::names_of(manifests, "ClusterAnalysisTemplate"),
    ];
    for (rollout, decision) in plan.found.rollouts.iter().zip(&plan.decisions) {
        let name = format!("{about}: {}", rollout.name());
        for warning in &decision.warnings {
            findings.warning(&name, warning);
        }
        steps_of_git(&name, rollout, findings);
        presets(&name, rollout, settings, findings);
        for template in unknown_templates(rollout.steps().unwrap_or_default(), &templates) {
            findings.warning(
                &name,
                format!("the AnalysisTemplate {template} is not in the manifests"),
            );
        }
    }
}

fn steps_of_git(name: &str, rollout: &Rollout, findings: &mut Findings) {
    let Some(steps) = rollout.steps() else {
        return;
    };
    if let Err(error) = syntax::validate(steps, rollout) {
        findings.error(name, format!("in Git, {error}"));
    }
}

/// Presets that this Rollout could not take.
fn presets(name: &str, rollout: &Rollout, settings: &Settings, findings: &mut Findings) {
    if !matches!(rollout.strategy(), Strategy::Canary(_)) {
        return;
    }
    for (preset, items) in &settings.presets {
        let steps: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Step(step) => Some(step.clone()),
                Item::Git(_) => None,
            })
            .collect();
        if let Err(error) = syntax::validate(&steps, rollout) {
            findings.warning(name, format!("the preset {preset} cannot be used: {error}"));
        }
    }
}

fn unknown_templates(steps: &[serde_json::Value], known: &[Vec<String>; 2]) -> Vec<String> {
    let templates = steps
        .iter()
        .flat_map(|s| s["analysis"]["templates"].as_array().into_iter().flatten());
    let unknown = templates.filter_map(|template| {
        let name = template["templateName"].as_str()?;
        let kind = usize::from(template["clusterScope"] == true);
        (!known[kind].iter().any(|k| k == name)).then(|| name.to_owned())
    });
    unknown.collect()
}
