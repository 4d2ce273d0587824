//! The unix socket a plugin listens on (`server.go`, `serverListener_unix`).

use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, chown},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

use crate::handshake::Terms;

/// What the names of our sockets begin with. A socket of this name on which nobody listens is one that a killed plugin
/// left behind.
const PREFIX: &str = "go-plugin-rs-";
/// Added to the name while the socket is being prepared, so that nobody takes it for one left behind.
const UNFINISHED: &str = ".new";
/// The longest path of a unix socket (`sun_path`, without the final NUL).
const LONGEST_PATH: usize = 107;
/// Names to try before giving up.
const ATTEMPTS: usize = 10;
/// Old sockets to look at in one start.
const SWEPT: usize = 100;

/// A listening socket whose file goes away with it.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The directory cannot be written, or does not exist.
    #[error("cannot listen on unix socket {path}")]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system allows only short paths.
    #[error(
        "the path of unix socket {0} is longer than {LONGEST_PATH} bytes: set TMPDIR, or PLUGIN_UNIX_SOCKET_DIR in the host, to a shorter one"
    )]
    PathTooLong(PathBuf),
    /// `/etc/group` does not know it.
    #[error("there is no group {0:?} (PLUGIN_UNIX_SOCKET_GROUP takes a name or a number)")]
    UnknownGroup(String),
    /// This user may not give the socket to the group.
    #[error("cannot give unix socket {path} to group {group:?}")]
    Group {
        /// The socket.
        path: PathBuf,
        /// What the host asked for.
        group: String,
        /// Why.
        source: io::Error,
    },
}

impl Socket {
    /// Listens on a fresh socket, which from its first moment has the group and mode that the host asked for.
    pub(crate) fn listen(terms: &Terms) -> Result<Self, SocketError> {
        let dir = terms.socket_dir.clone().unwrap_or_else(std::env::temp_dir);
        let gid = terms.socket_group.as_deref().map(group_id).transpose()?;
        let (listener, unfinished, path) = bind(&dir)?;
        let socket = Self {
            listener,
            path: path.clone(),
        };
        if let Some((gid, group)) = gid.zip(terms.socket_group.clone()) {
            // `server.go`, `setGroupWritable`.
            let give = chown(&unfinished, None, Some(gid))
                .and_then(|()| fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o660)));
            if let Err(source) = give {
                _ = fs::remove_file(&unfinished);
                return Err(SocketError::Group { path, group, source });
            }
        }
        fs::rename(&unfinished, &path).map_err(|source| SocketError::Listen { path, source })?;
        Ok(socket)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn accept(&self) -> io::Result<tokio::net::UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.path);
    }
}

/// Removes sockets in `dir` that plugins of this library left behind when they were killed: those of our name on which
/// nobody listens. Says how many.
pub(crate) fn sweep(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let ours = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(PREFIX)
            && !name.ends_with(UNFINISHED)
            && entry.file_type().is_ok_and(|kind| kind.is_socket())
    });
    let is_left_behind = |path: &Path| {
        UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    ours.take(SWEPT)
        .map(|entry| entry.path())
        .filter(|path| is_left_behind(path) && fs::remove_file(path).is_ok())
        .count()
}

/// Binds under an unfinished name; the second path is the one to give it.
fn bind(dir: &Path) -> Result<(UnixListener, PathBuf, PathBuf), SocketError> {
    let mut attempt = 0;
    loop {
        let name = format!("{PREFIX}{:016x}", RandomState::new().build_hasher().finish());
        let (unfinished, path) = (dir.join(format!("{name}{UNFINISHED}")), dir.join(name));
        if unfinished.as_os_str().len() > LONGEST_PATH {
            return Err(SocketError::PathTooLong(path));
        }
        attempt += 1;
        match UnixListener::bind(&unfinished) {
            Ok(listener) => return Ok((listener, unfinished, path)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS => {}
            Err(source) => return Err(SocketError::Listen { path, source }),
        }
    }
}

/// A group's number. Names are looked up in `/etc/group`, as Go does without cgo, and as a static binary has to.
fn group_id(group: &str) -> Result<u32, SocketError> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    group_in(&groups, group).ok_or_else(|| SocketError::UnknownGroup(group.to_owned()))
}

fn group_in(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(dir: &Path) -> Terms {
        Terms {
            socket_dir: Some(dir.to_owned()),
            socket_group: None,
        }
    }

    #[tokio::test]
    async fn the_file_lives_as_long_as_the_socket() {
        let dir = tempfile::tempdir().unwrap();
        let socket = Socket::listen(&terms(dir.path())).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        UnixStream::connect(socket.path()).unwrap();
        drop(socket);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_group_may_connect() {
        let dir = tempfile::tempdir().unwrap();
        let own = rustix::process::getegid().as_raw();
        let with_group = Terms {
            socket_group: Some(own.to_string()),
            ..terms(dir.path())
        };
        let socket = Socket::listen(&with_group).unwrap();
        assert_eq!(
            fs::metadata(socket.path()).unwrap().permissions().mode() & 0o777,
            0o660
        );
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let left_behind = Socket::listen(&terms(dir.path())).unwrap();
        let path = left_behind.path().to_owned();
        let alive = Socket::listen(&terms(dir.path())).unwrap();
        fs::write(dir.path().join("go-plugin-rs-file"), "not a socket").unwrap();
        assert_eq!(sweep(dir.path()), 0);
        // Killed: the listener is gone, the file is not.
        let other = dir.path().join("kept");
        fs::rename(&path, &other).unwrap();
        drop(left_behind);
        fs::rename(&other, &path).unwrap();
        assert_eq!(sweep(dir.path()), 1);
        assert!(!path.exists() && alive.path().exists());
    }

    #[tokio::test]
    async fn errors_name_the_path_or_the_group() {
        let error = |dir: &str, group: Option<&str>| {
            let terms = Terms {
                socket_dir: Some(dir.into()),
                socket_group: group.map(Into::into),
            };
            Socket::listen(&terms).unwrap_err().to_string()
        };
        assert!(error("/nowhere", None).starts_with("cannot listen on unix socket /nowhere/go-plugin-rs-"));
        assert!(error(&format!("/tmp/{}", "x".repeat(80)), None).contains("is longer than 107 bytes"));
        assert!(error("/tmp", Some("no such group")).starts_with("there is no group \"no such group\""));
    }

    #[test]
    fn groups_by_name() {
        let groups = "root:x:0:\nargo:x:999:a,b\nbroken\nbroken2:x:y:\n";
        assert_eq!(group_in(groups, "argo"), Some(999));
        assert_eq!(group_in(groups, "arg"), None);
        assert_eq!(group_in(groups, "broken"), None);
        assert_eq!(group_in(groups, "broken2"), None);
    }
}
