//! Keeps stdout for the handshake: once a plugin serves, what anything in the process prints there goes to the host's
//! stdout stream, as in Go (`server.go`, `Serve`: `os.Stdout = stdout_w`), and never to the pipe the host reads the
//! handshake from.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use rustix::{io::fcntl_dupfd_cloexec, pipe, stdio};
use tokio::{io::AsyncReadExt, net::unix, sync::broadcast};

/// Printed pieces kept for a host that does not read; older ones are dropped. A piece is at most 4 KiB.
const KEPT: usize = 64;
const PIECE: usize = 4096;

/// Stdout, taken away from the rest of the process until this is dropped.
#[derive(Debug)]
pub(crate) struct Stdout {
    original: OwnedFd,
    printed: Option<OwnedFd>,
}

impl Stdout {
    pub(crate) fn take() -> io::Result<Self> {
        let original = fcntl_dupfd_cloexec(io::stdout().as_fd(), 3)?;
        let (printed, writer) = pipe::pipe_with(pipe::PipeFlags::CLOEXEC)?;
        stdio::dup2_stdout(&writer)?;
        Ok(Self {
            original,
            printed: Some(printed),
        })
    }

    /// The one line the host reads.
    pub(crate) fn print(&self, line: &str) -> io::Result<()> {
        File::from(self.original.try_clone()?).write_all(format!("{line}\n").as_bytes())
    }

    /// The pipe to whoever started this process.
    pub(crate) fn pipe(&self) -> io::Result<OwnedFd> {
        self.original.try_clone()
    }

    /// What is printed from now on, and a task that reads it so that nobody who prints ever waits.
    pub(crate) fn printed(&mut self) -> io::Result<(Printed, impl Future<Output = ()> + use<>)> {
        let printed = self
            .printed
            .take()
            .ok_or_else(|| io::Error::other("stdout is being read already"))?;
        let mut pipe = unix::pipe::Receiver::from_owned_fd(printed)?;
        let (sender, first) = broadcast::channel(KEPT);
        let pieces = sender.clone();
        let read = async move {
            let mut piece = [0; PIECE];
            while let Ok(count @ 1..) = pipe.read(&mut piece).await {
                // Without a host nobody listens.
                _ = pieces.send(Bytes::copy_from_slice(&piece[..count]));
            }
        };
        Ok((
            Printed {
                sender,
                first: Mutex::new(Some(first)),
            },
            read,
        ))
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        _ = stdio::dup2_stdout(&self.original);
    }
}

/// What the process prints on stdout, for the streams of the connections.
#[derive(Debug)]
pub(crate) struct Printed {
    sender: broadcast::Sender<Bytes>,
    /// Keeps what is printed before the first host connects.
    first: Mutex<Option<broadcast::Receiver<Bytes>>>,
}

impl Printed {
    /// Nothing is printed.
    #[cfg(all(test, feature = "host"))]
    pub(crate) fn nothing() -> Self {
        Self {
            sender: broadcast::channel(1).0,
            first: Mutex::default(),
        }
    }

    /// For one connection: the first one also gets what was printed before.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Bytes> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.unwrap_or_else(|| self.sender.subscribe())
    }
}
