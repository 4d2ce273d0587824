//! Where the files of an archive go: into memory while they are few and small, as manifests are; then to the disk.

use std::io;
use std::path::Path;

use super::ArchiveError;
use crate::render::InMemory;

/// What is larger goes to the disk: many requests may be under way at once.
const MOST_BYTES: u64 = 1024 * 1024;
/// Each costs some hundred bytes besides.
const MOST_ENTRIES: usize = 2000;

/// Memory, or a folder that is ours alone.
pub(in crate::server) enum Place<F> {
    Memory {
        files: InMemory,
        make: Box<dyn FnOnce() -> io::Result<F> + Send>,
    },
    Disk(F),
    /// The folder could not be made, or the files not be written there.
    Lost,
}

impl<F: AsRef<Path>> Place<F> {
    /// Memory, where an archive of so many bytes might fit; `make` makes the folder where it is needed.
    ///
    /// What is packed is hardly ever smaller unpacked, so a large archive takes no memory that it would give up again.
    pub(in crate::server) fn of(
        archive_bytes: u64,
        make: impl FnOnce() -> io::Result<F> + Send + 'static,
    ) -> Result<Place<F>, ArchiveError> {
        if archive_bytes > MOST_BYTES {
            return make().map(Place::Disk).map_err(ArchiveError::Disk);
        }
        Ok(Place::memory(make))
    }

    /// Memory; `make` makes the folder where it is needed.
    pub(in crate::server) fn memory(make: impl FnOnce() -> io::Result<F> + Send + 'static) -> Place<F> {
        Place::Memory {
            files: InMemory::default(),
            make: Box::new(make),
        }
    }

    /// The folder, with all that came before.
    pub(super) fn folder(&mut self) -> Result<&Path, ArchiveError> {
        if let Place::Memory { .. } = self
            && let Place::Memory { files, make } = std::mem::replace(self, Place::Lost)
        {
            let folder = make().map_err(ArchiveError::Disk)?;
            files.write_to(folder.as_ref()).map_err(ArchiveError::Disk)?;
            *self = Place::Disk(folder);
        }
        match &*self {
            Place::Disk(folder) => Ok(folder.as_ref()),
            _ => Err(ArchiveError::Disk(io::Error::other("the folder is lost"))),
        }
    }

    /// Takes a folder into memory, if there is room and it contradicts nothing.
    pub(super) fn keep_folder(&mut self, path: &Path) -> bool {
        match self {
            Place::Memory { files, .. } => files.len() < MOST_ENTRIES && files.add_folder(path),
            _ => false,
        }
    }

    /// Whether memory takes a file of this size.
    pub(super) fn keeps(&self, path: &Path, size: u64) -> bool {
        match self {
            Place::Memory { files, .. } => {
                files.len() < MOST_ENTRIES
                    && files.bytes().saturating_add(size) <= MOST_BYTES
                    && !files.is_folder(path)
            }
            _ => false,
        }
    }

    /// Takes a file that [`Place::keeps`]; its folder is there.
    pub(super) fn keep_file(&mut self, path: &Path, content: Vec<u8>) {
        if let Place::Memory { files, .. } = self {
            files.add_file(path, content);
        }
    }
}
