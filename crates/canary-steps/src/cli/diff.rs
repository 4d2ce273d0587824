//! `diff`: what a switch changes.

use std::io::{IsTerminal, Write};

use similar::{ChangeTag, TextDiff};

use super::folder::{Folder, Opened};
use super::runtime;
use crate::edit::Manifest;
use crate::plan;
use crate::produce;

/// Flags of `diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    #[command(flatten)]
    folder: Folder,
    /// When to colour: auto, always, never.
    #[arg(long, default_value = "auto")]
    color: Color,
    /// Compare with Git's manifests, also where --set changes an Application that has switches already.
    #[arg(long)]
    from_git: bool,
    /// End with exit code 1 where something changes.
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// The manifests of one side, and the state of each Rollout there.
struct Side {
    manifests: Vec<Manifest>,
    titles: Vec<String>,
}

impl Diff {
    /// Prints the difference; `true` where there is one and --exit-code asks for it.
    pub(super) fn run(&self) -> anyhow::Result<bool> {
        let application = self.folder.application()?;
        let now = self.folder.open(application.as_ref(), true)?;
        let runtime = runtime()?;
        let from_git = self.from_git || self.folder.set.is_empty();
        let before = if from_git {
            Side {
                manifests: runtime.block_on(produce::prepare(&now.job()))?.manifests,
                titles: Vec::new(),
            }
        } else {
            let before = self.folder.open(application.as_ref(), false)?;
            runtime.block_on(side(&before))?
        };
        let after = runtime.block_on(side(&now))?;

        let mut out = std::io::stdout().lock();
        let colored = match self.color {
            Color::Auto => out.is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            Color::Always => true,
            Color::Never => false,
        };
        let mut changed = false;
        for (old, new) in before.manifests.iter().zip(&after.manifests) {
            changed |= old.text != new.text;
            out.write_all(unified(&old.name, &old.text, &new.text, colored).as_bytes())?;
        }
        for title in after.titles.iter().filter(|t| !before.titles.contains(t)) {
            writeln!(out, "{title}")?;
        }
        Ok(changed && self.exit_code)
    }
}

async fn side(opened: &Opened) -> anyhow::Result<Side> {
    let prepared = produce::prepare(&opened.job()).await?;
    let produce::Prepared {
        manifests,
        settings,
        application,
        tool: _,
    } = prepared;
    let plan = plan::plan(&manifests, &settings, &application);
    let announced = plan::announce(&plan, &settings, &application);
    // The first one is for all Rollouts and tells no state.
    let titles = announced.into_iter().skip(1).map(|a| a.title).collect();
    let texts = plan.apply(&manifests, &settings, &application)?;
    let manifests = manifests
        .into_iter()
        .zip(texts)
        .map(|(m, text)| Manifest { name: m.name, text })
        .collect();
    Ok(Side { manifests, titles })
}

/// A unified diff with three lines around each change, empty where nothing differs.
fn unified(name: &str, old: &str, new: &str, colored: bool) -> String {
    const RED: &str = "\x1b[31m";
    const GREEN: &str = "\x1b[32m";
    const CYAN: &str = "\x1b[36m";
    const BOLD: &str = "\x1b[1m";
    let paint = |color: &str, line: &str| {
        if colored {
            format!("{color}{line}\x1b[0m\n")
        } else {
            format!("{line}\n")
        }
    };
    if old == new {
        return String::new();
    }
    let diff = TextDiff::from_lines(old, new);
    let mut out = paint(BOLD, &format!("--- {name} (before)")) + &paint(BOLD, &format!("+++ {name} (after)"));
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        out.push_str(&paint(CYAN, &hunk.header().to_string()));
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches(['\r', '\n']);
            out.push_str(&match change.tag() {
                ChangeTag::Delete => paint(RED, &format!("-{line}")),
                ChangeTag::Insert => paint(GREEN, &format!("+{line}")),
                ChangeTag::Equal => format!(" {line}\n"),
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_in_context() {
        let old = "a\nb\nc\nd\ne\nf\n";
        let new = "a\nb\nc\nD\ne\nf\n";
        assert_eq!(
            unified("x", old, new, false),
            "--- x (before)\n+++ x (after)\n@@ -1,6 +1,6 @@\n a\n b\n c\n-d\n+D\n e\n f\n"
        );
        assert!(unified("x", old, new, true).contains("\x1b[31m-d\x1b[0m\n\x1b[32m+D\x1b[0m\n"));
        assert_eq!(unified("x", old, old, true), "");
    }
}
