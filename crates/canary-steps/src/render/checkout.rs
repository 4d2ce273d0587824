//! The files of a request: a repository and the Application's folder in it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::RenderError;

/// A repository's folder and an Application's folder inside it; both exist and are free of links.
#[derive(Debug, Clone)]
pub struct Checkout {
    root: PathBuf,
    app: PathBuf,
}

impl Checkout {
    /// Opens an Application's folder, `relative` to the repository's root.
    ///
    /// # Errors
    /// [`RenderError::Path`] where it is not a folder inside the repository.
    pub fn open(root: &Path, relative: &str) -> Result<Checkout, RenderError> {
        let wrong = |problem| RenderError::Path {
            path: relative.to_owned(),
            problem,
        };
        let inside = Path::new(relative).components();
        if !inside
            .clone()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
        {
            return Err(wrong("it leaves the repository"));
        }
        let root = fs::canonicalize(root).map_err(|_| wrong("the repository is not there"))?;
        let app = fs::canonicalize(root.join(relative)).map_err(|_| wrong("there is no such folder"))?;
        if !app.starts_with(&root) {
            return Err(wrong("it leaves the repository"));
        }
        if !app.is_dir() {
            return Err(wrong("it is not a folder"));
        }
        Ok(Checkout { root, app })
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
                Component::ParentDir => {
                    lexical.pop();
                }
                Component::CurDir => {}
                other => lexical.push(other),
            }
        }
        if !lexical.starts_with(&self.root) {
            return Err(outside());
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
        let root = self.root.to_string_lossy();
        text.replace(&format!("{root}/"), "").replace(&*root, ".")
    }
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
