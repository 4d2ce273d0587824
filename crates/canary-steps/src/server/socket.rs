//! The socket in Argo CD's plugin folder.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A listening socket that removes its file when it goes.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    identity: Identity,
}

/// Device, inode and time of the last change: another server may have put its own socket there since, with the inode that
/// ours had.
type Identity = (u64, u64, i64, i64);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Somebody is serving there.
    #[error("{0:?}: another server is listening")]
    InUse(PathBuf),
    /// Something else has the name.
    #[error("{0:?} is there and is no socket")]
    NotASocket(PathBuf),
    /// The name would make every call fail.
    #[error(
        "the socket's name {0:?} has no @; without one HTTP/2 refuses Argo CD's requests, so use e.g. canary-steps@v1"
    )]
    Name(String),
    /// The system refused.
    #[error("{path:?}: {source}")]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Socket {
    /// Listens on `<folder>/<name>.sock`. A socket that a dead server has left is replaced.
    ///
    /// The name must hold an `@`: Argo CD's client sends the escaped path as the request's authority, and a part before
    /// an `@` is the only one in which HTTP/2 libraries other than Go's accept its escapes.
    ///
    /// # Errors
    /// [`SocketError`].
    pub(super) fn bind(folder: &Path, name: &str, mode: u32) -> Result<(Socket, UnixListener), SocketError> {
        if !name.contains('@') || name.contains('/') {
            return Err(SocketError::Name(name.to_owned()));
        }
        let path = folder.join(format!("{name}.sock"));
        let fail = |source| SocketError::Io {
            path: path.clone(),
            source,
        };
        match fs::symlink_metadata(&path) {
            Ok(meta) if !meta.file_type().is_socket() => return Err(SocketError::NotASocket(path)),
            Ok(_) if UnixStream::connect(&path).is_ok() => return Err(SocketError::InUse(path)),
            Ok(_) => fs::remove_file(&path).map_err(fail)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(&path).map_err(fail)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let meta = fs::symlink_metadata(&path).map_err(fail)?;
        let identity = identity(&meta);
        Ok((Socket { path, identity }, listener))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, where it is still ours.
    pub(super) fn remove(&self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|meta| identity(&meta) == self.identity);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(meta: &fs::Metadata) -> Identity {
    (meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec())
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_made_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x@v1.sock");
        let (socket, listener) = Socket::bind(folder.path(), "x@v1", 0o660).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(
            Socket::bind(folder.path(), "x@v1", 0o660),
            Err(SocketError::InUse(_))
        ));
        // A dead server's socket: nobody listens any more.
        drop(listener);
        let (second, _listener) = Socket::bind(folder.path(), "x@v1", 0o660).unwrap();
        // The first one must not take the second one's file with it.
        drop(socket);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn wrong_names_and_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["plain", "a@b/c"] {
            assert!(matches!(
                Socket::bind(folder.path(), name, 0o660),
                Err(SocketError::Name(_))
            ));
        }
        fs::write(folder.path().join("x@v1.sock"), "").unwrap();
        assert!(matches!(
            Socket::bind(folder.path(), "x@v1", 0o660),
            Err(SocketError::NotASocket(_))
        ));
    }
}
