//! `serinus migrate`

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{print, read_file};
use crate::manifests::{self, Document};
use crate::migrate::{How, Migration, ROUTER, STEPS, ScaleDown, Template, Wishes, plan, stream};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A manifest: the Deployment, its Service, its route, its autoscaler; may be repeated. `-` is standard input.
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which Deployment, where the manifests have several.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    /// Which of its Services, where routes refer to several.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// What the canary's Service is called; default: the Service's name and `-canary`.
    #[arg(long, value_name = "NAME")]
    canary_service: Option<String>,
    /// Steps of a release, as they are typed in Argo CD: `25,pause:30s,100`, `ramp`, `off`.
    #[arg(long, default_value = STEPS, value_name = "STEPS")]
    steps: String,
    /// When the controller takes the Deployment's pods away.
    #[arg(long, value_enum, default_value_t = When::Onsuccess, value_name = "WHEN", conflicts_with = "inline")]
    scale_down: When,
    /// Move the pod template into the Rollout; the Deployment is deleted in the end.
    #[arg(long)]
    inline: bool,
    /// Pods of the Rollout; default: as many as the Deployment says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_147_483_647))]
    replicas: Option<u32>,
    /// The name under which the traffic router is registered in argo-rollouts-config.
    #[arg(long, default_value = ROUTER, value_name = "NAME")]
    router: String,
    /// Print what is applied once the Rollout is healthy, instead of what is applied before.
    #[arg(long, conflicts_with = "out")]
    finish: bool,
    /// Write the manifests into a folder, numbered in the order in which they are applied, with a README.md that explains it.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Say on stderr why each move is safe, what is different afterwards, and how to go back.
    #[arg(long)]
    explain: bool,
}

/// As the Rollout's `workloadRef.scaleDown` has it.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum When {
    /// One for each pod of the Rollout that is ready
    Progressively,
    /// All, once the Rollout is healthy
    Onsuccess,
    /// Never: you do it
    Never,
}

pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let mut documents = Vec::new();
    for file in &args.files {
        let (name, text) = read_file(file)?;
        documents.extend(manifests::documents(&name, &text)?);
    }
    let scale_down = match args.scale_down {
        When::Progressively => ScaleDown::Progressively,
        When::Onsuccess => ScaleDown::OnSuccess,
        When::Never => ScaleDown::Never,
    };
    let migration = plan(
        &documents,
        &Wishes {
            deployment: args.deployment.clone(),
            service: args.service.clone(),
            canary_service: args.canary_service.clone(),
            template: if args.inline {
                Template::Inline
            } else {
                Template::Referenced(scale_down)
            },
            steps: args.steps.clone(),
            router: args.router.clone(),
            replicas: args.replicas,
        },
    )?;
    match &args.out {
        Some(folder) => write(folder, &migration)?,
        None if args.finish => print(&stream(&migration.finish)),
        None => print(&stream(&migration.stream)),
    }
    let guide = if args.explain {
        migration.guide.full()
    } else {
        migration.guide.short()
    };
    // Nobody reads it where it cannot be written.
    drop(std::io::stderr().write_all(guide.as_bytes()));
    Ok(true)
}

/// A file a move, and the whole guide; nothing that is there is written over.
fn write(folder: &Path, migration: &Migration) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut files = vec![("README.md".to_owned(), migration.guide.full())];
    for (n, one) in migration.guide.order.iter().enumerate() {
        if let How::Apply(document) = &one.how {
            files.push((file_name(n + 1, document), document.text.clone()));
        }
    }
    for (name, text) in files {
        let file = folder.join(name);
        let opened = OpenOptions::new().write(true).create_new(true).open(&file);
        opened
            .and_then(|mut opened| opened.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// `2-httproute-shop.yaml`
fn file_name(number: usize, document: &Document) -> String {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_lowercase();
    let (kind, name) = (
        text(&document.value["kind"]),
        text(&document.value["metadata"]["name"]),
    );
    format!("{number}-{kind}-{name}.yaml")
}
