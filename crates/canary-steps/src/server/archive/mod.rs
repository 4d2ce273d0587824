//! The archive of a request, unpacked as it comes into a private folder.
//!
//! Follows `Untgz` in argo-cd `util/io/files/tar.go` in what it takes, and refuses more: entries that are neither files,
//! folders nor links, links that leave the folder by whatever way, entries below a link, too many entries, too many bytes.
//! Links are made last, so that nothing is ever written through one.

mod links;
mod names;
mod place;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use names::{LongNames, inside, text};
pub(super) use place::Place;

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

/// Unpacks a gzipped tar into `place`, where nothing else may be.
///
/// # Errors
/// [`ArchiveError`]; what was written so far goes with the place.
pub(super) fn unpack<F: AsRef<Path>>(
    archive: impl Read,
    place: Place<F>,
    limits: &Limits,
) -> Result<Place<F>, ArchiveError> {
    let stream = Bounded {
        inner: MultiGzDecoder::new(archive),
        // Headers and padding come on top of the files: at most 1.5 KiB each, plus what long names take.
        left: limits.unpacked_bytes + limits.entries.saturating_mul(4096) + MOST_HEADER,
    };
    let mut archive = Archive::new(stream);
    let mut unpacker = Unpacker {
        place,
        limits,
        entries: 0,
        bytes: 0,
        folders: HashSet::new(),
        links: BTreeMap::new(),
        buffer: Vec::new(),
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
    Ok(unpacker.place)
}

struct Unpacker<'u, F> {
    place: Place<F>,
    limits: &'u Limits,
    entries: u64,
    bytes: u64,
    folders: HashSet<PathBuf>,
    /// Targets of links by their path, both relative to the folder.
    links: BTreeMap<PathBuf, PathBuf>,
    buffer: Vec<u8>,
}

impl<F: AsRef<Path>> Unpacker<'_, F> {
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
                // Only a disk has links.
                self.place.folder()?;
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
        if self.place.keep_folder(path) || self.folders.contains(path) {
            return Ok(());
        }
        fs::create_dir_all(self.place.folder()?.join(path)).map_err(ArchiveError::Disk)?;
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn file<R: Read>(&mut self, from: &mut tar::Entry<'_, R>, path: &Path) -> Result<(), ArchiveError> {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            self.folder(parent)?;
        }
        // A later entry of the same name replaces an earlier one.
        self.links.remove(path);
        // Never more than the header says.
        let size = from.header().size().map_err(ArchiveError::Broken)?;
        if self.bytes.saturating_add(size) > self.limits.unpacked_bytes {
            return Err(too_large(self.limits));
        }
        if self.place.keeps(path, size) {
            let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            from.read_to_end(&mut content).map_err(|e| self.broken(e))?;
            self.bytes += content.len() as u64;
            self.place.keep_file(path, content);
            return Ok(());
        }
        let mut file = File::create(self.place.folder()?.join(path)).map_err(ArchiveError::Disk)?;
        self.buffer.resize(64 * 1024, 0);
        loop {
            let read = match from.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(error)),
            };
            self.bytes += read as u64;
            file.write_all(&self.buffer[..read]).map_err(ArchiveError::Disk)?;
        }
    }

    fn make_links(&mut self) -> Result<(), ArchiveError> {
        for (path, target) in &self.links {
            let refused = || ArchiveError::Link {
                link: path.display().to_string(),
                target: target.display().to_string(),
            };
            let folder = self.place.folder()?;
            let parent = path.parent().unwrap_or(Path::new(""));
            if target.as_os_str().is_empty() || !links::stays_inside(&self.links, parent, target) {
                return Err(refused());
            }
            if !parent.as_os_str().is_empty() {
                fs::create_dir_all(folder.join(parent)).map_err(ArchiveError::Disk)?;
            }
            // A file or folder of the same name came first or later; the archive contradicts itself.
            std::os::unix::fs::symlink(target, folder.join(path)).map_err(|_| refused())?;
        }
        Ok(())
    }

    fn broken(&self, error: io::Error) -> ArchiveError {
        too_long(error, self.limits)
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
