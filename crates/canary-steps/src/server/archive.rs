//! The archive of a request, unpacked as it comes into a private folder.
//!
//! Follows `Untgz` in argo-cd `util/io/files/tar.go` in what it takes, and refuses more: entries that are neither files,
//! folders nor links, links that leave the folder by whatever way, entries below a link, too many entries, too many bytes.
//! Links are made last, so that nothing is ever written through one.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType, PaxExtensions};

/// The most that an archive may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes as sent.
    pub archive_bytes: u64,
    /// Bytes of all files together.
    pub unpacked_bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

/// A long name or a PAX header is at most this long; Linux takes no path longer than 4096 bytes.
const MOST_HEADER: u64 = 64 * 1024;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is no gzip or no tar, or ends too early.
    #[error("the archive cannot be read: {0}")]
    Broken(io::Error),
    /// The disk failed.
    #[error("the archive cannot be unpacked: {0}")]
    Disk(io::Error),
    /// A name that leads out of the folder, or below a link.
    #[error("illegal path in the archive: {0:?}")]
    Path(String),
    /// A link that leads out of the folder.
    #[error("illegal link in the archive: {link:?} leads to {target:?}")]
    Link {
        /// Its name.
        link: String,
        /// Where it points.
        target: String,
    },
    /// A device, a hard link, a socket or the like.
    #[error("{path:?} in the archive is neither a file, a folder nor a link")]
    Kind {
        /// Its name.
        path: String,
    },
    /// More than there may be.
    #[error("the archive holds more than {most} {what}; raise {flag}")]
    TooMuch {
        /// The limit.
        most: u64,
        /// What is counted.
        what: &'static str,
        /// The flag of `serve` that sets it.
        flag: &'static str,
    },
}

/// Unpacks a gzipped tar into `folder`, which must be empty and ours alone.
///
/// # Errors
/// [`ArchiveError`]; what was written so far stays in the folder for its owner to remove.
pub fn unpack(archive: impl Read, folder: &Path, limits: &Limits) -> Result<(), ArchiveError> {
    let stream = Bounded {
        inner: MultiGzDecoder::new(archive),
        // Headers and padding come on top of the files: at most 1.5 KiB each, plus what long names take.
        left: limits.unpacked_bytes + limits.entries.saturating_mul(4096) + MOST_HEADER,
    };
    let mut archive = Archive::new(stream);
    let mut unpacker = Unpacker {
        folder,
        limits,
        entries: 0,
        bytes: 0,
        folders: HashSet::new(),
        links: HashMap::new(),
        buffer: vec![0; 64 * 1024],
    };
    let mut long = LongNames::default();
    // Raw entries: the crate itself would read a long name of any length into memory.
    for entry in archive.entries().map_err(ArchiveError::Broken)?.raw(true) {
        let mut entry = entry.map_err(|e| unpacker.broken(e))?;
        if long.take(&mut entry)? {
            continue;
        }
        let names = std::mem::take(&mut long);
        let path = names.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let target = names
            .link
            .or_else(|| entry.link_name_bytes().map(std::borrow::Cow::into_owned));
        unpacker.entry(&mut entry, &path, target)?;
    }
    unpacker.make_links()?;
    // The trailer behind the archive's end belongs to the checksum, and must not be endless either.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|e| too_long(e, limits))?;
    Ok(())
}

struct Unpacker<'u> {
    folder: &'u Path,
    limits: &'u Limits,
    entries: u64,
    bytes: u64,
    folders: HashSet<PathBuf>,
    /// Targets of links by their path, both relative to the folder.
    links: HashMap<PathBuf, PathBuf>,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        path: &[u8],
        target: Option<Vec<u8>>,
    ) -> Result<(), ArchiveError> {
        let Some(path) = inside(path)? else {
            return Ok(());
        };
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(ArchiveError::TooMuch {
                most: self.limits.entries,
                what: "entries",
                flag: "--max-entries",
            });
        }
        if path
            .ancestors()
            .skip(1)
            .any(|parent| self.links.contains_key(parent))
        {
            return Err(ArchiveError::Path(path.display().to_string()));
        }
        match entry.header().entry_type() {
            EntryType::Directory => self.folder(&path),
            EntryType::Regular | EntryType::Continuous => self.file(entry, &path),
            EntryType::Symlink => {
                let target = text(target.unwrap_or_default())?;
                self.links.insert(path, target.into());
                Ok(())
            }
            _ => Err(ArchiveError::Kind {
                path: path.display().to_string(),
            }),
        }
    }

    fn folder(&mut self, path: &Path) -> Result<(), ArchiveError> {
        if !self.folders.contains(path) {
            fs::create_dir_all(self.folder.join(path)).map_err(ArchiveError::Disk)?;
            self.folders.insert(path.to_owned());
        }
        Ok(())
    }

    fn file(&mut self, from: &mut impl Read, path: &Path) -> Result<(), ArchiveError> {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            self.folder(parent)?;
        }
        // A later entry of the same name replaces an earlier one.
        self.links.remove(path);
        let mut file = File::create(self.folder.join(path)).map_err(ArchiveError::Disk)?;
        loop {
            let read = match from.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(error)),
            };
            self.bytes += read as u64;
            if self.bytes > self.limits.unpacked_bytes {
                return Err(too_large(self.limits));
            }
            file.write_all(&self.buffer[..read]).map_err(ArchiveError::Disk)?;
        }
    }

    fn make_links(&self) -> Result<(), ArchiveError> {
        for (path, target) in &self.links {
            let refused = || ArchiveError::Link {
                link: path.display().to_string(),
                target: target.display().to_string(),
            };
            let parent = path.parent().unwrap_or(Path::new(""));
            if target.as_os_str().is_empty() || !self.stays_inside(parent, target) {
                return Err(refused());
            }
            if !parent.as_os_str().is_empty() {
                fs::create_dir_all(self.folder.join(parent)).map_err(ArchiveError::Disk)?;
            }
            let link = self.folder.join(path);
            // A file or folder of the same name came first or later; the archive contradicts itself.
            std::os::unix::fs::symlink(target, &link).map_err(|_| refused())?;
        }
        Ok(())
    }

    /// Follows a path through all links of the archive, as the kernel would, and says whether it ever leaves the folder.
    fn stays_inside(&self, parent: &Path, target: &Path) -> bool {
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
                    if let Some(next) = self.links.get(&at) {
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

    fn broken(&self, error: io::Error) -> ArchiveError {
        too_long(error, self.limits)
    }
}

/// Names that the entries before announce for the next one: GNU's `L` and `K`, PAX's `x`.
#[derive(Default)]
struct LongNames {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl LongNames {
    /// Reads an entry that only describes the next one; `false` where it is one of its own.
    fn take<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<bool, ArchiveError> {
        let kind = entry.header().entry_type();
        if !matches!(
            kind,
            EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
        ) {
            return Ok(false);
        }
        let size = entry.header().size().map_err(ArchiveError::Broken)?;
        if size > MOST_HEADER {
            return Err(ArchiveError::TooMuch {
                most: MOST_HEADER,
                what: "bytes in one name",
                flag: "no flag, rename the file",
            });
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(ArchiveError::Broken)?;
        let name = |mut bytes: Vec<u8>| {
            while bytes.last() == Some(&0) {
                bytes.pop();
            }
            Some(bytes)
        };
        match kind {
            EntryType::GNULongName => self.path = name(bytes),
            EntryType::GNULongLink => self.link = name(bytes),
            EntryType::XHeader => {
                for extension in PaxExtensions::new(&bytes) {
                    let extension = extension.map_err(ArchiveError::Broken)?;
                    match extension.key_bytes() {
                        b"path" => self.path = Some(extension.value_bytes().to_vec()),
                        b"linkpath" => self.link = Some(extension.value_bytes().to_vec()),
                        // Only files beyond 8 GiB need it, and they are refused anyway.
                        b"size" => {
                            return Err(ArchiveError::Kind {
                                path: "a PAX size".into(),
                            });
                        }
                        _ => {}
                    }
                }
            }
            // Comments for the whole archive, such as git's commit id.
            _ => {}
        }
        Ok(true)
    }
}

/// The path of an entry, free of `.`; `None` for the folder itself.
fn inside(bytes: &[u8]) -> Result<Option<PathBuf>, ArchiveError> {
    let name = text(bytes.to_vec())?;
    let mut path = PathBuf::new();
    for component in Path::new(&name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(ArchiveError::Path(name)),
        }
    }
    Ok(Some(path).filter(|p| !p.as_os_str().is_empty()))
}

fn text(bytes: Vec<u8>) -> Result<String, ArchiveError> {
    let named = String::from_utf8(bytes).map_err(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    match named {
        Ok(name) if !name.contains('\0') => Ok(name),
        Ok(name) | Err(name) => Err(ArchiveError::Path(name)),
    }
}

fn too_large(limits: &Limits) -> ArchiveError {
    ArchiveError::TooMuch {
        most: limits.unpacked_bytes,
        what: "bytes",
        flag: "--max-unpacked-bytes",
    }
}

fn too_long(error: io::Error, limits: &Limits) -> ArchiveError {
    match error.get_ref() {
        Some(inner) if inner.is::<Exhausted>() => too_large(limits),
        _ => ArchiveError::Broken(error),
    }
}

/// A stream that fails where it would go on for too long.
struct Bounded<R> {
    inner: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the stream is too long")]
struct Exhausted;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(Exhausted))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    use super::*;

    const LIMITS: Limits = Limits {
        archive_bytes: 1 << 20,
        unpacked_bytes: 1 << 16,
        entries: 100,
    };

    struct Pack(Builder<GzEncoder<Vec<u8>>>);

    impl Pack {
        fn new() -> Pack {
            Pack(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())))
        }

        fn add(mut self, kind: EntryType, path: &str, target: &str, content: &[u8]) -> Pack {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            // Past the crate's own checks.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
            header.set_cksum();
            self.0.append(&header, content).unwrap();
            self
        }

        fn file(self, path: &str) -> Pack {
            self.add(EntryType::Regular, path, "", path.as_bytes())
        }

        fn link(self, path: &str, target: &str) -> Pack {
            self.add(EntryType::Symlink, path, target, b"")
        }

        fn bytes(self) -> Vec<u8> {
            self.0.into_inner().unwrap().finish().unwrap()
        }

        fn unpack(self) -> Result<Vec<String>, String> {
            unpack_bytes(&self.bytes())
        }
    }

    fn unpack_bytes(bytes: &[u8]) -> Result<Vec<String>, String> {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("in");
        fs::create_dir(&folder).unwrap();
        let result = unpack(bytes, &folder, &LIMITS).map_err(|e| e.to_string());
        assert_eq!(
            fs::read_dir(outer.path()).unwrap().count(),
            1,
            "something was written outside"
        );
        result.map(|()| {
            let mut names = Vec::new();
            list(&folder, &folder, &mut names);
            names
        })
    }

    fn list(root: &Path, folder: &Path, names: &mut Vec<String>) {
        let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_symlink() {
                names.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
            } else if path.is_dir() {
                names.push(format!("{name}/"));
                list(root, &path, names);
            } else {
                assert!(
                    fs::read(&path)
                        .unwrap()
                        .ends_with(name.rsplit('/').next().unwrap().as_bytes())
                );
                names.push(name);
            }
        }
    }

    #[test]
    fn what_argo_cd_sends_is_unpacked() {
        let pack = Pack::new()
            .add(EntryType::Directory, ".", "", b"")
            .add(EntryType::Directory, "a", "", b"")
            .file("a/x")
            .file("b/c/y")
            .link("a/up", "../b/c/y")
            .link("dir", "b")
            .link("dead", "a/none")
            .link("through", "dir/c/y");
        assert_eq!(
            pack.unpack().unwrap(),
            [
                "a/",
                "a/up -> ../b/c/y",
                "a/x",
                "b/",
                "b/c/",
                "b/c/y",
                "dead -> a/none",
                "dir -> b",
                "through -> dir/c/y"
            ]
        );
    }

    #[test]
    fn long_names_are_read() {
        let name = "n".repeat(200);
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = Header::new_gnu();
        header.set_size(name.len() as u64);
        builder.append_data(&mut header, &name, name.as_bytes()).unwrap();
        let pax = format!("{} path=p/{name}\n", name.len() + 12);
        let pack = Pack(builder)
            .add(EntryType::XHeader, "pax", "", pax.as_bytes())
            .add(EntryType::Regular, "short", "", name.as_bytes());
        assert_eq!(
            pack.unpack().unwrap(),
            [name.clone(), "p/".to_owned(), format!("p/{name}")]
        );
    }

    #[test]
    fn paths_and_links_that_leave_are_refused() {
        for pack in [
            Pack::new().file("../x"),
            Pack::new().file("a/../../x"),
            Pack::new().file("/etc/x"),
            Pack::new().link("l", "/etc/passwd"),
            Pack::new().link("l", ".."),
            Pack::new().link("a/l", "../../x"),
            Pack::new().link("l", "a/../../x"),
            Pack::new().link("l", ""),
            // `s/d` is the root, so that two steps up from there are outside.
            Pack::new().link("s/d", "..").link("s/x", "d/../../y"),
            // A way out that only exists because of another link.
            Pack::new()
                .add(EntryType::Directory, "deep/er", "", b"")
                .link("d", "deep/er")
                .link("x", "d/../../../y"),
            Pack::new().link("loop", "loop"),
            Pack::new().link("a", "b").link("b", "a"),
            // Through a link, in either order.
            Pack::new().link("d", "e").file("d/x"),
            Pack::new().file("d/x").link("d", "e"),
        ] {
            let error = pack.unpack().unwrap_err();
            assert!(error.starts_with("illegal "), "{error}");
        }
    }

    #[test]
    fn other_kinds_are_refused() {
        for kind in [
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
            EntryType::Link,
            EntryType::GNUSparse,
        ] {
            let error = Pack::new().add(kind, "x", "y", b"").unpack().unwrap_err();
            assert_eq!(
                error,
                "\"x\" in the archive is neither a file, a folder nor a link"
            );
        }
    }

    #[test]
    fn limits_hold() {
        let many = (0..101).fold(Pack::new(), |pack, n| {
            pack.add(EntryType::Regular, &n.to_string(), "", b"")
        });
        assert_eq!(
            many.unpack().unwrap_err(),
            "the archive holds more than 100 entries; raise --max-entries"
        );
        let large = Pack::new().add(EntryType::Regular, "x", "", &vec![0; (1 << 16) + 1]);
        assert!(large.unpack().unwrap_err().contains("more than 65536 bytes"));
        let name = vec![b'a'; 1 << 17];
        let long = Pack::new().add(EntryType::GNULongName, "x", "", &name);
        assert!(long.unpack().unwrap_err().contains("bytes in one name"));
        // Nothing but zeros behind the archive's end.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        assert!(
            unpack_bytes(&encoder.finish().unwrap())
                .unwrap_err()
                .contains("more than")
        );
    }

    #[test]
    fn what_is_broken_is_refused() {
        let whole = Pack::new().file("a").file("b").bytes();
        for bytes in [
            &b""[..],
            b"no gzip",
            &whole[..whole.len() / 2],
            &whole[..whole.len() - 4],
        ] {
            assert!(
                unpack_bytes(bytes)
                    .unwrap_err()
                    .starts_with("the archive cannot be read")
            );
        }
    }

    proptest::proptest! {
        /// Whatever comes, nothing is written outside (checked in `unpack_bytes`) and nothing panics.
        #[test]
        fn any_bytes_are_safe(seed in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2048)) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&seed).unwrap();
            let _ = unpack_bytes(&encoder.finish().unwrap());
        }

        #[test]
        fn any_links_stay_inside(links in proptest::collection::vec(("[abc](/[abc]){0,2}", "(\\.\\.|[abc])(/(\\.\\.|[abc])){0,4}"), 1..6)) {
            let outer = tempfile::tempdir().unwrap();
            let folder = outer.path().join("x/y/z/in");
            fs::create_dir_all(&folder).unwrap();
            let pack = links.iter().fold(Pack::new(), |pack, (path, target)| pack.link(path, target));
            if unpack(&pack.bytes()[..], &folder, &LIMITS).is_ok() {
                for (path, _) in &links {
                    if let Ok(real) = fs::canonicalize(folder.join(path)) {
                        proptest::prop_assert!(real.starts_with(fs::canonicalize(&folder).unwrap()));
                    }
                }
            }
        }
    }
}
