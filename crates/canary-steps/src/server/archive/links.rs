//! Whether a link stays inside.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Follows a path through all links of the archive, as the kernel would, and says whether it ever leaves the folder.
pub(super) fn stays_inside(links: &BTreeMap<PathBuf, PathBuf>, parent: &Path, target: &Path) -> bool {
    /// The kernel's own limit (`MAXSYMLINKS`).
    const MOST_LINKS: usize = 40;

    let mut at = parent.to_owned();
    let mut todo: Vec<PathBuf> = vec![target.to_owned()];
    let mut followed = 0;
    while let Some(path) = todo.pop() {
        let mut parts = path.components();
        let Some(first) = parts.next() else {
            continue;
        };
        let rest = parts.as_path().to_owned();
        todo.push(rest);
        match first {
            Component::CurDir => {}
            Component::ParentDir => {
                if !at.pop() {
                    return false;
                }
            }
            Component::Normal(name) => {
                at.push(name);
                if let Some(next) = links.get(&at) {
                    followed += 1;
                    if followed > MOST_LINKS {
                        return false;
                    }
                    at.pop();
                    todo.push(next.clone());
                }
            }
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}
