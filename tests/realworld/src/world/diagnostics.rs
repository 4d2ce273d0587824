//! What is kept of a world in which something went wrong.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::World;
use crate::cluster::Kind;

/// Lines of each log that are printed; the whole is in the folder.
const TAIL: usize = 8;

impl World {
    /// Writes the objects of a scene's namespace as they are now, one file a kind, and returns what a reader wants to
    /// see first: the status of its Rollouts, its events, its routes.
    pub async fn keep(&self, namespace: &str, folder: &Path) -> Result<String> {
        std::fs::create_dir_all(folder)?;
        let mut first = String::new();
        for (kind, shown) in kinds() {
            let name = kind.kind.clone();
            // A kind that cannot be read is told, and the others are kept all the same.
            let objects = match self.cluster.list(kind, namespace).await {
                Ok(objects) => objects,
                Err(error) => {
                    writeln!(first, "{name}: {error:#}")?;
                    continue;
                }
            };
            std::fs::write(
                folder.join(format!("{name}.json")),
                serde_json::to_vec_pretty(&objects)?,
            )?;
            for object in objects {
                let field = |pointer: &str| {
                    object
                        .pointer(pointer)
                        .map(ToString::to_string)
                        .unwrap_or_default()
                };
                if let Some(pointer) = shown {
                    let what: String = field(pointer).chars().take(WIDTH).collect();
                    writeln!(first, "{name} {}: {what}", field("/metadata/name"))?;
                }
            }
        }
        for (gateway, running) in &self.gateways {
            let live = running.live().await.unwrap_or_else(|error| error.to_string());
            std::fs::write(folder.join(format!("live-{gateway:?}.json")), live)?;
        }
        Ok(first)
    }

    /// The last lines of the log of every program.
    pub fn tails(&self) -> String {
        let mut out = String::new();
        for process in self.processes() {
            out.push_str(&format!(
                "--- {}\n{}\n",
                process.log().display(),
                process.tail(TAIL)
            ));
        }
        out
    }
}

/// How much of an object is printed; the whole is in the folder.
const WIDTH: usize = 400;

/// What is kept, and which part of it is printed.
fn kinds() -> [(Kind, Option<&'static str>); 9] {
    [
        (Kind::rollout(), Some("/status")),
        (Kind::http_route(), Some("/spec/rules")),
        (Kind::event(), Some("/message")),
        (Kind::service(), Some("/spec/selector")),
        (Kind::endpoint_slice(), None),
        (Kind::replica_set(), Some("/status")),
        (Kind::pod(), None),
        (Kind::analysis_run(), Some("/status")),
        (Kind::experiment(), Some("/status")),
    ]
}
