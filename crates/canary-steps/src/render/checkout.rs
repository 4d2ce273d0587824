//! The files of a request: a repository and the Application's folder in it.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::RenderError;
use super::memory::InMemory;

/// A repository's folder and an Application's folder inside it; both exist and are free of links.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// Empty for files in memory.
    root: PathBuf,
    app: PathBuf,
    memory: Option<Arc<InMemory>>,
}

/// What is no folder, below a folder that is free of links itself.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) link: bool,
}

impl Checkout {
    /// Opens an Application's folder, `relative` to the repository's root.
    ///
    /// # Errors
    /// [`RenderError::Path`] where it is not a folder inside the repository.
    pub fn open(root: &Path, relative: &str) -> Result<Checkout, RenderError> {
        let wrong = |problem| wrong(relative, problem);
        let relative = inside(relative)?;
        let root = fs::canonicalize(root).map_err(|_| wrong("the repository is not there"))?;
        let app = fs::canonicalize(root.join(&relative)).map_err(|_| wrong("there is no such folder"))?;
        if !app.starts_with(&root) {
            return Err(wrong("it leaves the repository"));
        }
        if !app.is_dir() {
            return Err(wrong("it is not a folder"));
        }
        Ok(Checkout {
            root,
            app,
            memory: None,
        })
    }

    /// Opens an Application's folder of a repository in memory.
    ///
    /// # Errors
    /// [`RenderError::Path`] where it is not a folder of it.
    pub fn in_memory(files: Arc<InMemory>, relative: &str) -> Result<Checkout, RenderError> {
        let app = inside(relative)?;
        if files.file(&app).is_some() {
            return Err(wrong(relative, "it is not a folder"));
        }
        if !files.is_folder(&app) {
            return Err(wrong(relative, "there is no such folder"));
        }
        Ok(Checkout {
            root: PathBuf::new(),
            app,
            memory: Some(files),
        })
    }

    /// The same on the disk, for programs: written into `folder`, which must be empty, where it is in memory.
    pub(super) fn on_disk(&self, folder: &Path) -> Result<Checkout, RenderError> {
        let Some(files) = &self.memory else {
            return Ok(self.clone());
        };
        files
            .write_to(folder)
            .map_err(|e| RenderError::io(&e, Path::new("the repository"), self))?;
        Checkout::open(folder, &self.app.to_string_lossy())
    }

    /// Whether the files are in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Files and links of the Application's folder and, if wanted, below it, in the order of Go's `filepath.Walk`: by
    /// name, folders where their name stands.
    pub(super) fn entries(&self, recurse: bool) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        match &self.memory {
            Some(files) => entries.extend(files.below(&self.app, recurse).map(|path| Entry {
                path: path.to_owned(),
                link: false,
            })),
            None => walk(&self.app, recurse, &mut entries)?,
        }
        Ok(entries)
    }

    /// A file's bytes; `None` for what is no file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Option<Cow<'_, [u8]>>> {
        if let Some(files) = &self.memory {
            return Ok(files.file(path).map(Cow::Borrowed));
        }
        // Opening a pipe would wait for its other end.
        if !fs::metadata(path)?.is_file() {
            return Ok(None);
        }
        fs::read(path).map(|bytes| Some(Cow::Owned(bytes)))
    }

    /// How many bytes a file has; `None` for what is no file.
    pub(super) fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        if let Some(files) = &self.memory {
            return Ok(files.file(path).map(|bytes| bytes.len() as u64));
        }
        let meta = fs::metadata(path)?;
        Ok(meta.is_file().then_some(meta.len()))
    }

    /// The text of a file that [`Checkout::file`] has found.
    ///
    /// # Errors
    /// What the system says; invalid data where it is no UTF-8.
    pub fn text(&self, file: &Path) -> io::Result<String> {
        let Some(files) = &self.memory else {
            return fs::read_to_string(file);
        };
        let bytes = files.file(file).ok_or(io::ErrorKind::NotFound)?;
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
    }

    /// The repository's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The Application's folder.
    #[must_use]
    pub fn app(&self) -> &Path {
        &self.app
    }

    /// A file of the repository: relative to the Application's folder, or with a leading slash to the root. Links may not
    /// lead out. `Ok(None)` where there is no such file.
    ///
    /// Follows `resolveFileOrDirectory` in argo-cd `util/io/path/resolved.go`.
    ///
    /// # Errors
    /// [`RenderError::Path`] where it lies outside.
    pub fn file(&self, path: &str) -> Result<Option<PathBuf>, RenderError> {
        let outside = || RenderError::Path {
            path: path.to_owned(),
            problem: "it leaves the repository",
        };
        let joined = match path.strip_prefix('/') {
            Some(from_root) => self.root.join(from_root.trim_start_matches('/')),
            None => self.app.join(path),
        };
        let mut lexical = PathBuf::new();
        for component in joined.components() {
            match component {
                // Above the root of files in memory is no folder that `starts_with` could see.
                Component::ParentDir if !lexical.pop() => return Err(outside()),
                Component::ParentDir => {}
                Component::CurDir => {}
                other => lexical.push(other),
            }
        }
        if !lexical.starts_with(&self.root) {
            return Err(outside());
        }
        if let Some(files) = &self.memory {
            let there = files.file(&lexical).is_some() || files.is_folder(&lexical);
            return Ok(there.then_some(lexical));
        }
        match fs::canonicalize(&joined) {
            Ok(real) if real.starts_with(&self.root) => Ok(Some(real)),
            Ok(_) => Err(outside()),
            Err(_) => Ok(None),
        }
    }

    /// A text without this machine's folders: what is shown to people knows only the repository.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        if self.memory.is_some() {
            return text.to_owned();
        }
        let root = self.root.to_string_lossy();
        text.replace(&format!("{root}/"), "").replace(&*root, ".")
    }
}

fn wrong(path: &str, problem: &'static str) -> RenderError {
    RenderError::Path {
        path: path.to_owned(),
        problem,
    }
}

/// A path below the root, without `.`.
fn inside(relative: &str) -> Result<PathBuf, RenderError> {
    let mut path = PathBuf::new();
    for component in Path::new(relative).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(wrong(relative, "it leaves the repository")),
        }
    }
    Ok(path)
}

fn walk(folder: &Path, recurse: bool, entries: &mut Vec<Entry>) -> io::Result<()> {
    let mut found = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(fs::DirEntry::file_name);
    for entry in found {
        let kind = entry.file_type()?;
        if !kind.is_dir() {
            entries.push(Entry {
                path: entry.path(),
                link: kind.is_symlink(),
            });
        } else if recurse {
            walk(&entry.path(), recurse, entries)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_inside_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("out")).unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("in")).unwrap();
        let open = |path: &str| Checkout::open(folder.path(), path).map(|c| c.app().to_owned());
        let root = fs::canonicalize(folder.path()).unwrap();
        assert_eq!(open(".").unwrap(), root);
        assert_eq!(open("").unwrap(), root);
        assert_eq!(open("./a/b").unwrap(), root.join("a/b"));
        assert_eq!(open("in/b").unwrap(), root.join("a/b"));
        for wrong in ["..", "a/../..", "/etc", "file", "none", "out", "out/etc"] {
            assert!(open(wrong).is_err(), "{wrong}");
        }
    }

    fn in_memory() -> Arc<InMemory> {
        let mut files = InMemory::default();
        for path in ["a/x", "a/b/z.yaml", "a.yaml", "y"] {
            let path = Path::new(path);
            assert!(files.add_folder(path.parent().unwrap()));
            files.add_file(path, b"text".to_vec());
        }
        Arc::new(files)
    }

    #[test]
    fn memory_is_opened_as_a_disk_is() {
        let folder = tempfile::tempdir().unwrap();
        in_memory().write_to(folder.path()).unwrap();
        for path in [
            "a", "./a/b", ".", "", "..", "a/../..", "/etc", "y", "none", "a/none",
        ] {
            let memory = Checkout::in_memory(in_memory(), path);
            let disk = Checkout::open(folder.path(), path);
            match (memory, disk) {
                (Ok(memory), Ok(disk)) => {
                    for recurse in [false, true] {
                        let names = |checkout: &Checkout| -> Vec<PathBuf> {
                            let entries = checkout.entries(recurse).unwrap().into_iter();
                            entries
                                .map(|e| e.path.strip_prefix(checkout.app()).unwrap().to_owned())
                                .collect()
                        };
                        assert_eq!(names(&memory), names(&disk), "{path}");
                    }
                    for file in [
                        "x", "../y", "/y", "/a/x", "/a/b", "./../a/x", "none", "../../y", "/../y", "b/../x",
                    ] {
                        let shown = |checkout: &Checkout| match checkout.file(file) {
                            Ok(Some(found)) => {
                                found.strip_prefix(checkout.root()).unwrap().display().to_string()
                            }
                            Ok(None) => "none".into(),
                            Err(error) => error.to_string(),
                        };
                        assert_eq!(shown(&memory), shown(&disk), "{path} {file}");
                    }
                }
                (Err(memory), Err(disk)) => assert_eq!(memory.to_string(), disk.to_string()),
                (memory, disk) => panic!("{path}: {memory:?} {disk:?}"),
            }
        }
    }

    #[test]
    fn memory_is_written_for_programs() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Checkout::in_memory(in_memory(), "a/b").unwrap();
        let disk = memory.on_disk(folder.path()).unwrap();
        assert!(!disk.is_in_memory());
        assert_eq!(fs::read(disk.app().join("z.yaml")).unwrap(), b"text");
        assert_eq!(disk.text(&disk.file("/y").unwrap().unwrap()).unwrap(), "text");
    }

    #[test]
    fn files_are_found_from_the_folder_or_the_root() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/x"), "").unwrap();
        fs::write(folder.path().join("y"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a/out")).unwrap();
        let checkout = Checkout::open(folder.path(), "a").unwrap();
        for there in ["x", "../y", "/y", "/a/x", "./../a/x"] {
            assert!(checkout.file(there).unwrap().is_some(), "{there}");
        }
        assert_eq!(checkout.file("none").unwrap(), None);
        for outside in ["../../y", "/../y", "out"] {
            assert!(checkout.file(outside).is_err(), "{outside}");
        }
    }
}
