//! A small repository in memory: what a disk would cost is most of the time that an answer takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files and folders by their path from the repository's root; no links.
#[derive(Debug, Default)]
pub struct InMemory {
    // A path is ordered by its parts, which is the order of Go's `filepath.Walk`.
    files: BTreeMap<PathBuf, Vec<u8>>,
    folders: BTreeSet<PathBuf>,
    bytes: u64,
}

impl InMemory {
    /// Adds a folder and those above it; `false` where one of them is a file.
    pub fn add_folder(&mut self, path: &Path) -> bool {
        if self.folders.contains(path) {
            return true;
        }
        let all = || path.ancestors().filter(|p| !p.as_os_str().is_empty());
        if all().any(|folder| self.files.contains_key(folder)) {
            return false;
        }
        self.folders.extend(all().map(Path::to_owned));
        true
    }

    /// Adds a file, in place of an earlier one; its folder must be there, and no folder of its name.
    pub fn add_file(&mut self, path: &Path, content: Vec<u8>) {
        self.bytes += content.len() as u64;
        if let Some(before) = self.files.insert(path.to_owned(), content) {
            self.bytes -= before.len() as u64;
        }
    }

    /// Files and folders.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len() + self.folders.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is a folder of this name; the root is one.
    #[must_use]
    pub fn is_folder(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || self.folders.contains(path)
    }

    /// A file's content.
    #[must_use]
    pub fn file(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Files below a folder, or only those directly in it, in the order of Go's `filepath.Walk`.
    pub fn below<'m>(&'m self, folder: &'m Path, recurse: bool) -> impl Iterator<Item = &'m Path> {
        let from = self
            .files
            .range(folder.to_owned()..)
            .map(|(path, _)| path.as_path());
        from.take_while(move |path| path.starts_with(folder))
            .filter(move |path| recurse || path.parent() == Some(folder))
    }

    /// Writes all into a folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        // Those above come first.
        for path in &self.folders {
            fs::create_dir(folder.join(path))?;
        }
        for (path, content) in &self.files {
            fs::write(folder.join(path), content)?;
        }
        Ok(())
    }
}
