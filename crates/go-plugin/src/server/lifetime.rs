//! When a plugin ends: signals, the process that started it, and the hosts that are connected.

use std::{future::pending, io, os::fd::OwnedFd, time::Duration};

use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe::Sender,
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep},
};

use super::Lifetime;

/// How often to look for the parent where the system has no pidfd.
const LOOK: Duration = Duration::from_millis(500);

/// Decides when the absence of hosts is the end.
#[derive(Debug)]
pub(super) struct Presence {
    lifetime: Lifetime,
    had_host: bool,
    is_orphan: bool,
    alone_since: Option<Instant>,
}

impl Presence {
    pub(super) fn new(lifetime: Lifetime) -> Self {
        Self {
            lifetime,
            had_host: false,
            is_orphan: false,
            alone_since: None,
        }
    }

    /// Whoever started this process is gone.
    pub(super) fn orphan(&mut self) {
        self.is_orphan = true;
    }

    pub(super) fn is_orphan(&self) -> bool {
        self.is_orphan
    }

    /// When to end, now that so many hosts are connected.
    ///
    /// That the starter is gone does not decide alone: it may be a shell that started the plugin for the host, or a host
    /// that another one replaces. Before the first connection it may take its time; after the last one there is nobody to
    /// wait for, since hosts connect once.
    pub(super) fn end(&mut self, hosts: usize, now: Instant) -> Option<Instant> {
        self.had_host |= hosts > 0;
        let Lifetime::WithHost { linger } = self.lifetime else {
            return None;
        };
        let is_alone = hosts == 0 && (self.had_host || self.is_orphan);
        self.alone_since = is_alone.then(|| self.alone_since.unwrap_or(now));
        self.alone_since.map(|since| since + linger)
    }
}

/// Completes when whoever started this process is gone: nobody holds the pipe any more that the handshake was printed
/// on, or the parent process has ended. Never, when neither can be known.
///
/// Not `PR_SET_PDEATHSIG`: it fires when the *thread* that started us ends, and Go's and tokio's come and go.
pub(super) async fn starter_gone(stdout: OwnedFd) {
    tokio::select! {
        () = unread(stdout) => {}
        () = parent_gone() => {}
    }
}

/// Completes when nobody can read `stdout` any more; never, when it is no pipe.
async fn unread(stdout: OwnedFd) {
    // Unchecked, because the checked one would make the pipe non-blocking for everyone who shares it. A file has no
    // readers to lose and cannot be waited for.
    if let Ok(pipe) = Sender::from_owned_fd_unchecked(stdout) {
        _ = pipe.ready(Interest::ERROR).await;
    } else {
        pending::<()>().await;
    }
}

/// Completes when the parent process has ended; never, when that is out of sight, as in a pid namespace of our own.
async fn parent_gone() {
    let Some(parent) = getppid() else {
        return pending().await;
    };
    match watch(parent) {
        Ok(handle) => {
            // A parent that went before it was opened left us to another one, and its number perhaps too.
            if getppid() == Some(parent) {
                _ = handle.readable().await;
            }
        }
        Err(error) => {
            tracing::debug!("cannot watch the parent process, looking for it every {LOOK:?}: {error}");
            while getppid() == Some(parent) {
                sleep(LOOK).await;
            }
        }
    }
}

fn watch(process: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    let handle = pidfd_open(process, PidfdFlags::empty())?;
    // SAFETY: the `AsyncFd` owns the descriptor and lends it to nobody, so it is registered for as long as it is open.
    #[allow(unsafe_code)]
    let watched = unsafe { AsyncFd::register(handle) };
    Ok(watched?)
}

/// The signals a plugin takes note of.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// SIGTERM or SIGHUP. SIGINT is not for us: Ctrl-C in a terminal reaches the host too, which ends its plugins
    /// itself (`server.go`, `Serve`).
    pub(super) async fn told_to_end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => return,
                _ = self.interrupt.recv() => tracing::trace!("plugin received interrupt signal, ignoring"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_secs(1);

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn waits_for_the_first_host_as_long_as_the_parent_lives() {
        let start = Instant::now();
        let mut presence = Presence::new(Lifetime::WithHost { linger: LINGER });
        assert_eq!(presence.end(0, after(start, 60_000)), None);
        presence.orphan();
        assert_eq!(presence.end(0, after(start, 61_000)), Some(after(start, 62_000)));
    }

    #[test]
    fn ends_after_the_last_host_unless_another_comes() {
        let start = Instant::now();
        let mut presence = Presence::new(Lifetime::WithHost { linger: LINGER });
        assert_eq!(presence.end(1, start), None);
        assert_eq!(presence.end(0, after(start, 100)), Some(after(start, 1_100)));
        // Looked at again for another reason: the time does not begin anew.
        assert_eq!(presence.end(0, after(start, 700)), Some(after(start, 1_100)));
        assert_eq!(presence.end(2, after(start, 900)), None);
        assert_eq!(presence.end(0, after(start, 5_000)), Some(after(start, 6_000)));
    }

    #[test]
    fn a_connected_host_is_enough() {
        let start = Instant::now();
        let mut presence = Presence::new(Lifetime::WithHost { linger: LINGER });
        presence.orphan();
        assert_eq!(presence.end(1, start), None);
    }

    #[test]
    fn stays_until_it_is_told() {
        let start = Instant::now();
        let mut presence = Presence::new(Lifetime::UntilQuit);
        presence.orphan();
        presence.end(1, start);
        assert_eq!(presence.end(0, after(start, 1)), None);
    }
}
