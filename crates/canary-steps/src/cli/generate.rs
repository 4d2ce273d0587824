//! `generate`, `announce` and `filter`: what `argocd-cmp-server` and other plugins call.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::folder::Folder;
use super::{runtime, stream};
use crate::edit::{self, Manifest};
use crate::plan;
use crate::produce;

/// Prints the manifests with the steps switched.
pub(super) fn generate(folder: &Folder) -> anyhow::Result<()> {
    let opened = folder.open(folder.application()?.as_ref(), true)?;
    let manifests = runtime()?.block_on(produce::generate(&opened.job()))?;
    print(&stream::join(&manifests))
}

/// Prints the parameters as `argocd-cmp-server` reads them from a dynamic command.
pub(super) fn announce(folder: &Folder) -> anyhow::Result<()> {
    let opened = folder.open(folder.application()?.as_ref(), true)?;
    let list = runtime()?.block_on(produce::announce(&opened.job()));
    let list: Vec<Value> = list
        .into_iter()
        .map(|a| {
            json!({"name": a.name, "title": a.title, "tooltip": a.tooltip, "collectionType": "string", "string": a.string})
        })
        .collect();
    print(&format!("{}\n", serde_json::to_string(&list)?))
}

/// Flags of `filter`.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    #[command(flatten)]
    folder: Folder,
}

impl Filter {
    /// Switches the steps in what comes on stdin. Settings come from the folder, as for `generate`, and JSON is written so
    /// that Argo CD reads it, as there.
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        let opened = self.folder.open(self.folder.application()?.as_ref(), true)?;
        let prepared = runtime()?.block_on(produce::settle(&opened.job()))?;
        let manifests = [Manifest {
            name: "stdin".into(),
            text: edit::yaml_safe_documents(&text).into_owned(),
        }];
        let plan = plan::plan(&manifests, &prepared.0, &prepared.1);
        let texts = plan.apply(&manifests, &prepared.0, &prepared.1)?;
        print(&texts.concat())
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
