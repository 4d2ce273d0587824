//! The native server: Argo CD's plugin service on a socket, and health and metrics for the operator.

mod archive;
mod deadline;
mod metrics;
mod probe;
mod receive;
mod service;
mod socket;
mod version;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::service::Routes;
use tonic::transport::Server;

pub use archive::{ArchiveError, Limits};
pub use probe::{ProbeError, probe};
pub use socket::SocketError;

use crate::generated::DESCRIPTORS;
use crate::generated::plugin::config_management_plugin_service_server::ConfigManagementPluginServiceServer;
use crate::generated::version::version_service_server::VersionServiceServer;
use crate::produce::Operator;
use metrics::Metrics;
use service::Service;
use socket::Socket;

/// Where Argo CD looks for sockets unless `ARGOCD_PLUGINSOCKFILEPATH` says otherwise (argo-cd `common/common.go`).
pub const PLUGIN_FOLDER: &str = "/home/argocd/cmp-server/plugins";

/// The most that one message may hold, in either direction (`ARGOCD_GRPC_MAX_SIZE_MB`).
const MOST_MESSAGE: usize = 100 * 1024 * 1024;

/// How the server runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the socket.
    pub plugin_folder: PathBuf,
    /// The socket's name without `.sock`, which is `spec.source.plugin.name` of an Application.
    pub name: String,
    /// Permissions of the socket.
    pub socket_mode: u32,
    /// The folder in which requests are unpacked; a folder of its own inside is emptied at the start.
    pub work_dir: PathBuf,
    /// Address for health and metrics over TCP, where they are wanted.
    pub listen: Option<SocketAddr>,
    /// What an archive may hold.
    pub limits: Limits,
    /// Requests at once.
    pub max_requests: usize,
    /// The most time for a call, and the time for one that brings no deadline.
    pub most_time: Duration,
    /// How long calls may go on after the signal to end.
    pub grace: Duration,
    /// Whether folders with a `.canary.yaml` are claimed for Applications that name no source type.
    pub discover: bool,
    /// Whether Argo CD is asked for the repository's Git credentials.
    pub provide_git_creds: bool,
    /// The operator's side of rendering and planning.
    pub operator: Operator,
}

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The folder for requests.
    #[error("work folder {path:?}: {source}")]
    WorkDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The address for health and metrics.
    #[error("address {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The reflection service could not be made of the descriptors.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The server itself.
    #[error("the server stopped: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// A signal handler could not be installed.
    #[error("signals: {0}")]
    Signals(io::Error),
}

/// Serves until SIGTERM or SIGINT. The socket's file goes first, so that Argo CD sends nothing more; calls under way may
/// end.
///
/// # Errors
/// [`ServeError`], before anything is served or when serving breaks off.
pub async fn serve(options: Options) -> Result<(), ServeError> {
    let mut end = Signals::install().map_err(ServeError::Signals)?;
    let work_dir = empty_work_dir(&options)?;
    let metrics = Arc::new(Metrics::default());
    let service = Service::new(options.clone(), work_dir, Arc::clone(&metrics));
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_serving::<ConfigManagementPluginServiceServer<Service>>()
        .await;

    let tcp = match options.listen {
        Some(address) => {
            let listener = TcpListener::bind(address).await;
            Some(listener.map_err(|source| ServeError::Listen { address, source })?)
        }
        None => None,
    };
    let (socket, listener) = Socket::bind(&options.plugin_folder, &options.name, options.socket_mode)?;
    let path = socket.path().to_owned();
    let listener = UnixListener::from_std(listener).map_err(|source| SocketError::Io { path, source })?;
    let socket = Arc::new(socket);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        socket = %socket.path().display(),
        listen = options.listen.map(|a| a.to_string()),
        "serving"
    );

    let plugin = ConfigManagementPluginServiceServer::new(service)
        .max_decoding_message_size(MOST_MESSAGE)
        .max_encoding_message_size(MOST_MESSAGE);
    let on_socket = Server::builder()
        // The default window of 64 KiB makes a client wait for every few pieces of an archive.
        .initial_stream_window_size(512 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .add_service(plugin)
        .add_service(VersionServiceServer::new(version::Version))
        .add_service(health_service.clone())
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);

    let (ending, ended) = tokio::sync::watch::channel(false);
    let wait = |mut ended: tokio::sync::watch::Receiver<bool>| async move {
        let _ = ended.wait_for(|end| *end).await;
    };
    let serving =
        on_socket.serve_with_incoming_shutdown(UnixListenerStream::new(listener), wait(ended.clone()));
    let operators = async {
        match tcp {
            Some(listener) => {
                let routes = operator_routes(health_service, metrics);
                Server::builder()
                    .accept_http1(true)
                    .add_routes(routes)
                    .serve_with_incoming_shutdown(TcpListenerStream::new(listener), wait(ended))
                    .await
            }
            None => {
                wait(ended).await;
                Ok(())
            }
        }
    };
    let signalled = async {
        end.next().await;
        tracing::info!("ending");
        socket.remove();
        let _ = ending.send(true);
        tokio::select! {
            () = tokio::time::sleep(options.grace) => tracing::warn!("calls were still under way"),
            () = end.next() => {}
        }
    };
    tokio::select! {
        result = async { tokio::try_join!(serving, operators) } => result.map(|_| ()).map_err(ServeError::from),
        () = signalled => Ok(()),
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Health as gRPC and as `/healthz`, metrics as `/metrics`.
fn operator_routes<H>(
    health: tonic_health::pb::health_server::HealthServer<H>,
    metrics: Arc<Metrics>,
) -> Routes
where
    H: tonic_health::pb::health_server::Health,
{
    let http = axum::Router::new()
        .route("/healthz", axum::routing::get(|| async { "ok\n" }))
        .route(
            "/metrics",
            axum::routing::get(move || async move { metrics.render() }),
        );
    Routes::from(http).add_service(health)
}

/// A folder of our own; what an earlier process has left in it is removed.
fn empty_work_dir(options: &Options) -> Result<PathBuf, ServeError> {
    let path = options.work_dir.join(format!("_{}", options.name));
    let fail = |source| ServeError::WorkDir {
        path: path.clone(),
        source,
    };
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(fail)?;
    Ok(path)
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn install() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
