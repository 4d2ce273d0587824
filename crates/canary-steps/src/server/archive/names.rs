//! Names of entries: those that stand in entries of their own, and what a name may be.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use tar::{EntryType, PaxExtensions};

use super::{ArchiveError, MOST_HEADER};

/// Names that the entries before announce for the next one: GNU's `L` and `K`, PAX's `x`.
#[derive(Default)]
pub(super) struct LongNames {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
}

impl LongNames {
    /// Reads an entry that only describes the next one; `false` where it is one of its own.
    pub(super) fn take<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<bool, ArchiveError> {
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
pub(super) fn inside(bytes: &[u8]) -> Result<Option<PathBuf>, ArchiveError> {
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

pub(super) fn text(bytes: Vec<u8>) -> Result<String, ArchiveError> {
    let named = String::from_utf8(bytes).map_err(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    match named {
        Ok(name) if !name.contains('\0') => Ok(name),
        Ok(name) | Err(name) => Err(ArchiveError::Path(name)),
    }
}
