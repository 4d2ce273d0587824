//! The stream of a request: metadata, then the archive in pieces, unpacked while it comes.
//!
//! Follows `ReceiveRepoStream` in argo-cd `util/cmp/stream.go`. The stream is drained before any answer, also before an
//! error: the repo-server gives up at its first failed `Send` and never reads the status that would say why.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use prost::bytes::{Buf, Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::{Status, Streaming};

use super::archive::{self, ArchiveError, Limits, Place};
use crate::generated::plugin::app_stream_request::Request;
use crate::generated::plugin::{AppStreamRequest, ManifestRequestMetadata};
use crate::render::{Checkout, InMemory, RenderError};

/// Pieces are gathered to this size before they go to the thread that unpacks; Argo CD sends 1 KiB at a time.
const GATHERED: usize = 64 * 1024;

/// Gathered pieces that may wait for the disk: 256 KiB a request, then the client waits.
const WAITING: usize = 4;

/// How much is still read from a client that sends more than it announced, so that it can hear why.
const SLACK: u64 = 1024 * 1024;

/// A request's files and what came with them.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) metadata: ManifestRequestMetadata,
    pub(super) files: Files,
}

/// The files of a request.
#[derive(Debug)]
pub(super) enum Files {
    Memory(Arc<InMemory>),
    Disk(Folder),
}

impl Files {
    /// An Application's folder, by its path from the repository's root.
    pub(super) async fn open(&self, relative: &str) -> Result<Checkout, RenderError> {
        match self {
            Files::Memory(files) => Checkout::in_memory(Arc::clone(files), relative),
            Files::Disk(folder) => {
                let (folder, relative) = (folder.as_ref().to_owned(), relative.to_owned());
                // The disk may be busy, and this thread has other calls to answer.
                let opened = tokio::task::spawn_blocking(move || Checkout::open(&folder, &relative));
                opened
                    .await
                    .map_err(|e| RenderError::Unsupported(format!("opening the folder broke off: {e}")))?
            }
        }
    }
}

/// A private folder that is always removed, on a thread where that may take its time.
#[derive(Debug)]
pub(super) struct Folder(Option<TempDir>);

impl Folder {
    fn create(work_dir: &Path) -> io::Result<Folder> {
        let folder = tempfile::Builder::new().prefix("request-").tempdir_in(work_dir)?;
        Ok(Folder(Some(folder)))
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        self.0.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let folder = self.0.take();
        match tokio::runtime::Handle::try_current() {
            // A task that never runs because the process ends is dropped, and the folder with it.
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(folder))),
            Err(_) => drop(folder),
        }
    }
}

/// Receives a request. The caller bounds the time.
///
/// # Errors
/// A status with a short first line; the stream is drained as far as the client keeps to what it announced.
pub(super) async fn receive(
    stream: &mut Streaming<AppStreamRequest>,
    work_dir: &Path,
    limits: &Limits,
    unpacking: &Arc<Semaphore>,
) -> Result<Received, Status> {
    let first = stream.message().await?.and_then(|message| message.request);
    let Some(Request::Metadata(metadata)) = first else {
        drain(stream, limits.archive_bytes).await;
        return Err(Status::invalid_argument(
            "the first message of the stream must be metadata",
        ));
    };
    let size = match announced(&metadata, limits) {
        Ok(size) => size,
        Err(status) => {
            drain(stream, limits.archive_bytes).await;
            return Err(status);
        }
    };
    let (pieces, received) = mpsc::channel(WAITING);
    let (work_dir, limits) = (work_dir.to_owned(), *limits);
    let turns = Turns::new(Arc::clone(unpacking));
    let unpacked = tokio::task::spawn_blocking(move || {
        let mut reader = Pieces::new(received, turns);
        let place = Place::of(size, move || Folder::create(&work_dir))?;
        archive::unpack(&mut reader, place, &limits).map(|place| (place, reader.checksum()))
    });
    let transferred = transfer(stream, pieces, size).await;
    let unpacked = unpacked
        .await
        .map_err(|e| Status::internal(format!("unpacking broke off: {e}")))?;
    match (transferred, unpacked) {
        (Err(status), _) => Err(status),
        (Ok(()), Err(error)) => Err(status_of(&error)),
        (Ok(()), Ok((_, checksum))) if checksum != metadata.checksum => Err(Status::invalid_argument(
            "the archive's checksum is not the one announced",
        )),
        (Ok(()), Ok((place, _))) => {
            let files = match place {
                Place::Memory { files, .. } => Files::Memory(Arc::new(files)),
                Place::Disk(folder) => Files::Disk(folder),
                Place::Lost => return Err(Status::internal("the files are lost")),
            };
            Ok(Received { metadata, files })
        }
    }
}

fn announced(metadata: &ManifestRequestMetadata, limits: &Limits) -> Result<u64, Status> {
    let size = u64::try_from(metadata.size).map_err(|_| {
        Status::invalid_argument(format!("an archive of {} bytes was announced", metadata.size))
    })?;
    if size > limits.archive_bytes {
        return Err(Status::resource_exhausted(format!(
            "the archive of {size} bytes is larger than {}; raise --max-archive-bytes, or exclude files from it",
            limits.archive_bytes
        )));
    }
    Ok(size)
}

/// Hands the pieces over until the client has sent all.
async fn transfer(
    stream: &mut Streaming<AppStreamRequest>,
    pieces: mpsc::Sender<Piece>,
    size: u64,
) -> Result<(), Status> {
    let mut gathered = BytesMut::with_capacity(GATHERED);
    let mut total = 0;
    // Gone where unpacking has failed: the rest is only drained.
    let mut pieces = Some(pieces);
    while let Some(message) = stream.message().await? {
        let Some(Request::File(file)) = message.request else {
            drain(stream, size.saturating_sub(total)).await;
            return Err(Status::invalid_argument(
                "every message behind the first must be a piece of the archive",
            ));
        };
        total += file.chunk.len() as u64;
        if total > size {
            drain(stream, 0).await;
            return Err(Status::invalid_argument(format!(
                "the archive is longer than the {size} bytes announced"
            )));
        }
        gathered.extend_from_slice(&file.chunk);
        if gathered.len() >= GATHERED {
            send(&mut pieces, Piece::Bytes(gathered.split().freeze())).await;
        }
    }
    if total < size {
        return Err(Status::invalid_argument(format!(
            "the archive ends after {total} of the {size} bytes announced"
        )));
    }
    send(&mut pieces, Piece::Bytes(gathered.freeze())).await;
    send(&mut pieces, Piece::End).await;
    Ok(())
}

async fn send(pieces: &mut Option<mpsc::Sender<Piece>>, piece: Piece) {
    if let Some(sender) = pieces
        && sender.send(piece).await.is_err()
    {
        *pieces = None;
    }
}

/// Reads and forgets up to `expected` bytes and a little more.
pub(super) async fn drain(stream: &mut Streaming<AppStreamRequest>, expected: u64) {
    let mut left = expected.saturating_add(SLACK);
    while let Ok(Some(message)) = stream.message().await {
        let bytes = match message.request {
            Some(Request::File(file)) => file.chunk.len(),
            _ => 0,
        };
        match left.checked_sub(bytes.max(1) as u64) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn status_of(error: &ArchiveError) -> Status {
    match error {
        ArchiveError::TooMuch { .. } => Status::resource_exhausted(error.to_string()),
        ArchiveError::Disk(_) => Status::internal(error.to_string()),
        _ => Status::invalid_argument(error.to_string()),
    }
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    /// The client has sent all. Without it, the channel's end means that the client is gone.
    End,
}

/// Turns at unpacking, one for each piece. Without them a thread for each request would want a processor, and those that
/// serve the connections would wait so long that clients give up: Argo CD's wants a sign of life within 20 s.
struct Turns {
    all: Arc<Semaphore>,
    runtime: Handle,
    mine: Option<OwnedSemaphorePermit>,
}

impl Turns {
    fn new(all: Arc<Semaphore>) -> Turns {
        Turns {
            all,
            runtime: Handle::current(),
            mine: None,
        }
    }

    /// While a client is waited for, others work.
    fn end(&mut self) {
        self.mine = None;
    }

    fn begin(&mut self) {
        // Never closed; if it were, all would work at once.
        self.mine = self.runtime.block_on(Arc::clone(&self.all).acquire_owned()).ok();
    }
}

/// The pieces as a reader that hashes what passes.
struct Pieces {
    received: mpsc::Receiver<Piece>,
    turns: Turns,
    current: Bytes,
    ended: bool,
    hash: Sha256,
}

impl Pieces {
    fn new(received: mpsc::Receiver<Piece>, turns: Turns) -> Pieces {
        Pieces {
            received,
            turns,
            current: Bytes::new(),
            ended: false,
            hash: Sha256::new(),
        }
    }

    /// SHA-256 of all that was read, in lower-case hexadecimal.
    fn checksum(self) -> String {
        self.hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            self.turns.end();
            let piece = self.received.blocking_recv();
            self.turns.begin();
            match piece {
                Some(Piece::Bytes(bytes)) => {
                    self.hash.update(&bytes);
                    self.current = bytes;
                }
                Some(Piece::End) => self.ended = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the client has gone",
                    ));
                }
            }
        }
        let read = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}
