//! The plugin's side: serving the host that started this process (`server.go`, `rpc_server.go`).

mod connection;
mod lifetime;

use std::{
    collections::BTreeMap,
    error::Error,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    pin::pin,
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    runtime::{self, Handle},
    sync::{oneshot, watch},
    task::JoinSet,
    time::Instant,
};

use self::{
    connection::{Shared, serve_connection},
    lifetime::{Presence, Signals, starter_gone},
};
use crate::{
    handshake::{Address, Handshake, Line, Refusal, Terms},
    hclog,
    rpc::{Rules, Slots},
    service::Service,
    socket::{self, Socket, SocketError},
    stdio::Stdout,
    yamux,
};

/// How long to wait when the system cannot accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Names a host can dispense, and what it gets.
type Services = BTreeMap<String, Arc<dyn Service>>;

/// A plugin, ready to serve.
pub struct Server {
    handshake: Handshake,
    services: Services,
    options: Options,
}

/// Bounds and times of a [`Server`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// How long a call may take before it is answered with an error and stopped. net/rpc has no deadline on the host's
    /// side, so without this a call that hangs would hang its caller. 30 s.
    pub call_deadline: Duration,
    /// Calls that may run at once; one more is answered at once with an error. 1024.
    pub max_calls: usize,
    /// Hosts that may be connected at once; one more is disconnected. 16.
    pub max_connections: usize,
    /// Bounds of each connection's session.
    pub session: yamux::Config,
    /// Bounds of each value a host sends.
    pub limits: gob::Limits,
    /// When to end without having been told to.
    pub lifetime: Lifetime,
    /// How long running calls may take to finish after the host said Quit; it kills the process after 2 s
    /// (`client.go`, `Kill`). 1 s.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            call_deadline: Duration::from_secs(30),
            max_calls: 1024,
            max_connections: 16,
            session: yamux::Config::default(),
            limits: gob::Limits::default(),
            lifetime: Lifetime::WithHost {
                linger: Duration::from_secs(1),
            },
            drain: Duration::from_secs(1),
        }
    }
}

/// When a plugin ends that was not told to. Quit, SIGTERM and SIGHUP end it in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifetime {
    /// When no host has been connected for `linger`, and either one had been, or whoever started this process is gone. A host that another one replaces within that time (`ReattachConfig`) finds the plugin alive.
    WithHost {
        /// How long to wait for a host; 1 s by default.
        linger: Duration,
    },
    /// Never, as Go's plugins: for a host that means to detach and reattach much later.
    UntilQuit,
}

/// Why serving ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The host said Quit.
    Quit,
    /// No host was left, see [`Lifetime::WithHost`].
    HostGone,
    /// SIGTERM or SIGHUP.
    Signal,
}

/// Why nothing was served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Not for the one who started this process.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The handshake cannot be printed.
    #[error("cannot print the handshake on stdout")]
    Stdout(#[source] io::Error),
    /// The system gave no thread, or none of what one needs.
    #[error("cannot start serving")]
    Start(#[source] io::Error),
}

impl Server {
    /// A plugin that serves nothing yet.
    pub fn new(handshake: Handshake) -> Self {
        Self {
            handshake,
            services: Services::new(),
            options: Options::default(),
        }
    }

    /// Serves `service` to a host that dispenses `name`.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>, service: impl Service) -> Self {
        self.services.insert(name.into(), Arc::new(service));
        self
    }

    /// Serves with other bounds.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Serves until the end: the whole `main` of a plugin. A refusal is printed on stderr and exits with 1, as in Go.
    ///
    /// Handlers run on a multi-threaded runtime made for them; one that never returns does not keep the process.
    pub fn run(self) -> ExitCode {
        let served = runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(ServeError::Start)
            .and_then(|runtime| {
                let served = runtime.block_on(self.serve());
                runtime.shutdown_background();
                served
            });
        match served {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                error.report();
                ExitCode::FAILURE
            }
        }
    }

    /// Serves the host that started this process.
    ///
    /// The protocol runs on a thread of its own, so that pings, deadlines and the end work whatever the handlers do;
    /// the handlers run on the runtime this is called on. Stdout belongs to the protocol until this returns.
    ///
    /// The caller should exit the process soon after: a handler that blocks its thread may still be running.
    pub async fn serve(self) -> Result<Ended, ServeError> {
        let terms = self.handshake.accept(|name| std::env::var_os(name))?;
        let handlers = Handle::current();
        let (mut done, served) = oneshot::channel();
        let protocol = move || {
            let result = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(ServeError::Start)
                .and_then(|runtime| runtime.block_on(self.serve_here(&terms, handlers, done.closed())));
            // Nobody listens any more when that is why it ended.
            _ = done.send(result);
        };
        thread::Builder::new()
            .name("go-plugin".into())
            .spawn(protocol)
            .map_err(ServeError::Start)?;
        served.await.unwrap_or_else(|_| {
            Err(ServeError::Start(io::Error::other(
                "the protocol's thread panicked",
            )))
        })
    }

    /// Everything but the handlers, on the current runtime.
    async fn serve_here(
        self,
        terms: &Terms,
        handlers: Handle,
        dropped: impl Future<Output = ()>,
    ) -> Result<Ended, ServeError> {
        let mut signals = Signals::listen().map_err(ServeError::Start)?;
        let mut stdout = Stdout::take().map_err(ServeError::Stdout)?;
        let socket = Socket::listen(terms)?;
        let address = Address::Unix(socket.path().to_owned());
        let line = Line {
            protocol_version: self.handshake.protocol_version,
            address,
        };
        stdout.print(&line.to_string()).map_err(ServeError::Stdout)?;
        let (printed, read_printed) = stdout.printed().map_err(ServeError::Stdout)?;
        sweep_beside(&socket);

        let options = self.options;
        let slots = Slots::new(options.max_calls);
        let (hosts, mut connected) = watch::channel(0);
        let (quit, mut told_to_quit) = watch::channel(false);
        let rules = Rules {
            runtime: handlers,
            deadline: options.call_deadline,
            slots,
            limits: options.limits,
        };
        let shared = Arc::new(Shared {
            services: self.services,
            rules,
            session: options.session,
            printed,
            hosts,
            quit,
        });
        let mut presence = Presence::new(options.lifetime);
        let mut connections = JoinSet::new();
        let (mut read_printed, mut dropped, mut starter_gone) = (
            pin!(read_printed),
            pin!(dropped),
            pin!(starter_gone(stdout.pipe().map_err(ServeError::Stdout)?)),
        );
        let mut is_read = false;
        let ended = loop {
            let end = presence.end(*connected.borrow_and_update(), Instant::now());
            let alarm = async {
                match end {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                accepted = socket.accept() => match accepted {
                    Ok(_) if connections.len() >= options.max_connections => {
                        tracing::warn!("{} hosts are connected, which is the limit: one more was turned away", connections.len());
                    }
                    Ok(io) => _ = connections.spawn(serve_connection(io, shared.clone())),
                    Err(error) => {
                        tracing::warn!("cannot accept a connection: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(Err(error)) = connections.join_next(), if !connections.is_empty() => {
                    tracing::error!("a connection's task failed: {error}");
                }
                _ = connected.changed() => {}
                () = &mut read_printed, if !is_read => is_read = true,
                () = &mut starter_gone, if !presence.is_orphan() => presence.orphan(),
                () = alarm => break Ended::HostGone,
                _ = told_to_quit.changed() => break Ended::Quit,
                () = signals.told_to_end() => break Ended::Signal,
                () = &mut dropped => break Ended::Signal,
            }
        };
        tracing::debug!(reason = ?ended, "plugin ends");
        // From here on nobody finds us.
        drop(socket);
        if ended == Ended::Quit {
            // The host closes its connections when it has the answer.
            let finish = async { while connections.join_next().await.is_some() {} };
            _ = tokio::time::timeout(options.drain, finish).await;
        }
        Ok(ended)
    }
}

impl ServeError {
    /// Tells whoever started this process why it ends: a person, or one without a host, by a sentence on stderr; a host
    /// by a line that it logs as an error.
    ///
    /// A host of another protocol version also gets its handshake, so that its own error can name both versions, as with
    /// Go's plugins (`server.go`, `protocolVersion`). It kills the process when it has read that, so the reason comes
    /// first.
    pub fn report(&self) {
        let mut reason = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        let is_for_people = matches!(self, Self::Refused(Refusal::NoHost)) || io::stderr().is_terminal();
        let text = if is_for_people {
            format!("{reason}\n").into_bytes()
        } else {
            hclog::error_line(&reason)
        };
        // There is nowhere else to say it.
        _ = io::stderr().write_all(&text);
        if let Self::Refused(Refusal::ProtocolVersion { plugin, .. }) = self {
            let line = Line {
                protocol_version: *plugin,
                address: Address::Unix(PathBuf::new()),
            };
            _ = writeln!(io::stdout(), "{line}");
        }
    }
}

/// Removes what killed plugins left behind where `socket` is, without keeping anyone waiting.
fn sweep_beside(socket: &Socket) {
    let Some(dir) = socket.path().parent().map(PathBuf::from) else {
        return;
    };
    let sweep = move || match socket::sweep(&dir) {
        0 => {}
        count => tracing::debug!(count, "removed sockets of plugins that were killed"),
    };
    if let Err(error) = thread::Builder::new().name("sweep".into()).spawn(sweep) {
        tracing::debug!("cannot look for old sockets: {error}");
    }
}
