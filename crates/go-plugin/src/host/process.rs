//! A plugin as a child process.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    net::{TcpStream, UnixStream},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::log::{Parser, log, next_line};
use crate::{
    broker::{BrokerError, dial},
    handshake::{Address, Handshake, Line, LineError, PROTOCOL_VERSIONS, UNIX_SOCKET_DIR, UNIX_SOCKET_GROUP},
    rpc::{self, Client, Nothing, Types},
    yamux::{self, Connection, Role, Stream},
};

/// Lines of stderr kept to say why a plugin did not start.
const LAST_LINES: usize = 8;

/// A plugin that was started and is connected. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    connection: Connection,
    control: Client,
    address: Address,
    options: Options,
    tasks: Mutex<JoinSet<()>>,
}

/// Times and bounds of a [`Process`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// How long the plugin may take to print its handshake and to accept a connection (`StartTimeout`). 60 s.
    pub start_timeout: Duration,
    /// How long Ping, Dispense and Quit may take. 10 s.
    pub control_deadline: Duration,
    /// How long the plugin may take to end after it was told to, before it is killed (`Kill`). 2 s.
    pub quit_timeout: Duration,
    /// Where the plugin shall put its socket, instead of the system's temporary directory.
    pub unix_socket_dir: Option<PathBuf>,
    /// The group, a name or a number, that may connect to the plugin's socket.
    pub unix_socket_group: Option<String>,
    /// Bounds of the session. Asks every 30 s whether the plugin is there, as Go's does.
    pub session: yamux::Config,
    /// Bounds of each value the plugin answers with.
    pub limits: gob::Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(60),
            control_deadline: Duration::from_secs(10),
            quit_timeout: Duration::from_secs(2),
            unix_socket_dir: None,
            unix_socket_group: None,
            session: yamux::Config {
                keep_alive: Some(Duration::from_secs(30)),
                ..yamux::Config::default()
            },
            limits: gob::Limits::default(),
        }
    }
}

/// Why a plugin could not be started, or does not do what every plugin does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The file is missing, not executable, or not for this machine.
    #[error("cannot start plugin {plugin}")]
    Spawn {
        /// Its file.
        plugin: String,
        /// Why.
        source: io::Error,
    },
    /// It ended before it said where it listens.
    #[error("plugin {plugin} ended before the handshake ({status}){}", said(.stderr))]
    Exited {
        /// Its file.
        plugin: String,
        /// How.
        status: String,
        /// The last lines it wrote on stderr.
        stderr: Vec<String>,
    },
    /// It said nothing for as long as it had.
    #[error("plugin {plugin} did not say within {timeout:?} where it listens{}", said(.stderr))]
    StartTimeout {
        /// Its file.
        plugin: String,
        /// [`Options::start_timeout`].
        timeout: Duration,
        /// The last lines it wrote on stderr.
        stderr: Vec<String>,
    },
    /// Its first line is not a handshake we can use.
    #[error("plugin {plugin}: {source}{}", said(.stderr))]
    Handshake {
        /// Its file.
        plugin: String,
        /// What is wrong with the line.
        source: LineError,
        /// The last lines it wrote on stderr.
        stderr: Vec<String>,
    },
    /// Nobody listens where it said.
    #[error("cannot connect to plugin {plugin} at {address}")]
    Connect {
        /// Its file.
        plugin: String,
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The session could not be opened.
    #[error("plugin {plugin}: cannot open a stream")]
    Session {
        /// Its file.
        plugin: String,
        /// Why.
        source: yamux::Error,
    },
    /// It gave no answer to Ping, Dispense or Quit, or an error.
    #[error("plugin {plugin}")]
    Call {
        /// Its file.
        plugin: String,
        /// Why.
        source: rpc::Error,
    },
    /// It did not fetch the stream for what was dispensed.
    #[error("plugin {plugin}: cannot dispense {name:?}")]
    Dispense {
        /// Its file.
        plugin: String,
        /// What was asked for.
        name: String,
        /// Why.
        source: BrokerError,
    },
    /// The system could not tell how it ended.
    #[error("cannot wait for plugin {plugin}")]
    Wait {
        /// Its file.
        plugin: String,
        /// Why.
        source: io::Error,
    },
}

impl Process {
    /// Starts `command` and connects to it. The plugin inherits this process's environment as far as `command` lets
    /// it; what it writes on stderr is logged through tracing, under the target `go_plugin::plugin`.
    pub async fn start(
        mut command: std::process::Command,
        handshake: &Handshake,
        options: Options,
    ) -> Result<Self, HostError> {
        let name = command.get_program().to_string_lossy().into_owned();
        prepare(&mut command, handshake, &options);
        let mut child = Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| HostError::Spawn {
                plugin: name.clone(),
                source,
            })?;
        let mut tasks = JoinSet::new();
        let said = Said::default();
        let stderr = child.stderr.take().expect("stderr is piped");
        tasks.spawn(forward_log(plugin_name(&name), stderr, said.clone()));
        let stdout = child.stdout.take().expect("stdout is piped");

        let deadline = Instant::now() + options.start_timeout;
        let (line, stdout) = first_line(stdout, deadline, &mut child, &said, &name, &options).await?;
        let parsed = Line::parse(&line, handshake.protocol_version);
        let address = match parsed {
            Ok(line) => line.address,
            Err(source) => {
                _ = child.kill().await;
                let stderr = said.all().await;
                return Err(HostError::Handshake {
                    plugin: name,
                    source,
                    stderr,
                });
            }
        };
        // Nothing more may come, but a plugin that prints must not get stuck.
        tasks.spawn(async move { _ = tokio::io::copy(&mut { stdout }, &mut tokio::io::sink()).await });
        let connect = connect(&address, options.session, &mut tasks);
        let connected = timeout_at(deadline, connect)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let connection = connected.map_err(|source| HostError::Connect {
            plugin: name.clone(),
            address: format!("{address:?}"),
            source,
        })?;
        let (control, calling) =
            open_streams(&connection, &name, &options, &mut tasks).map_err(|source| HostError::Session {
                plugin: name.clone(),
                source,
            })?;
        tasks.spawn(calling);
        Ok(Self {
            name,
            child,
            connection,
            control,
            address,
            options,
            tasks: Mutex::new(tasks),
        })
    }

    /// The plugin's process id, until its end was waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks whether the plugin is there (`Control.Ping`).
    pub async fn ping(&self) -> Result<(), HostError> {
        self.control("Control.Ping").await
    }

    /// Connects to what the plugin serves under `name` (`Dispenser.Dispense`).
    pub async fn dispense(&self, name: &str) -> Result<Client, HostError> {
        let ty = &Types::shared().string;
        let deadline = self.options.control_deadline;
        let id: u32 = self
            .control
            .call_service("Dispenser.Dispense".into(), ty, name, deadline)
            .await
            .map_err(|source| HostError::Call {
                plugin: self.name.clone(),
                source,
            })?;
        let stream = dial(&self.connection, id)
            .await
            .map_err(|source| HostError::Dispense {
                plugin: self.name.clone(),
                name: name.to_owned(),
                source,
            })?;
        let (client, calling) = Client::new(stream, &self.options.limits);
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(calling);
        Ok(client)
    }

    /// Waits for the plugin's end.
    pub async fn wait(&mut self) -> Result<ExitStatus, HostError> {
        self.child.wait().await.map_err(|source| HostError::Wait {
            plugin: self.name.clone(),
            source,
        })
    }

    /// Ends the plugin: Quit, and SIGKILL when it does not end in time (`Kill`, `rpc_client.go`, `Close`).
    pub async fn quit(mut self) -> Result<ExitStatus, HostError> {
        let told = timeout(self.options.quit_timeout, self.control("Control.Quit")).await;
        self.connection.close();
        if matches!(told, Ok(Ok(())))
            && let Ok(ended) = timeout(self.options.quit_timeout, self.child.wait()).await
        {
            return ended.map_err(|source| HostError::Wait {
                plugin: self.name.clone(),
                source,
            });
        }
        tracing::warn!(plugin = self.name, "plugin failed to end in time and is killed");
        self.kill().await
    }

    /// Ends the plugin at once (SIGKILL).
    pub async fn kill(mut self) -> Result<ExitStatus, HostError> {
        // One that has ended cannot be killed any more, which waiting for it shows.
        _ = self.child.start_kill();
        self.wait().await
    }

    async fn control(&self, method: &str) -> Result<(), HostError> {
        let ty = &Types::shared().boolean;
        let deadline = self.options.control_deadline;
        let answer: Result<Nothing, _> = self
            .control
            .call_service(method.to_owned(), ty, &true, deadline)
            .await;
        answer.map(|_| ()).map_err(|source| HostError::Call {
            plugin: self.name.clone(),
            source,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A plugin that is killed cannot remove its socket itself.
        if let Address::Unix(path) = &self.address
            && fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        {
            _ = fs::remove_file(path);
        }
    }
}

/// The environment and the pipes of a plugin (`client.go`, `Start`).
fn prepare(command: &mut std::process::Command, handshake: &Handshake, options: &Options) {
    command
        .env(handshake.cookie_key.as_ref(), handshake.cookie_value.as_ref())
        .env(PROTOCOL_VERSIONS, handshake.protocol_version.to_string())
        // The ports are for plugins on Windows; Go's plugins expect to be told.
        .env("PLUGIN_MIN_PORT", "10000")
        .env("PLUGIN_MAX_PORT", "25000")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(dir) = &options.unix_socket_dir {
        command.env(UNIX_SOCKET_DIR, dir);
    }
    if let Some(group) = &options.unix_socket_group {
        command.env(UNIX_SOCKET_GROUP, group);
    }
}

/// Waits for the line a plugin says where it listens; what follows it stays in the reader.
async fn first_line(
    stdout: ChildStdout,
    deadline: Instant,
    child: &mut Child,
    said: &Said,
    plugin: &str,
    options: &Options,
) -> Result<(String, BufReader<ChildStdout>), HostError> {
    let mut reader = BufReader::new(stdout);
    let Ok(line) = timeout_at(deadline, next_line(&mut reader)).await else {
        _ = child.kill().await;
        let (plugin, timeout) = (plugin.to_owned(), options.start_timeout);
        return Err(HostError::StartTimeout {
            plugin,
            timeout,
            stderr: said.all().await,
        });
    };
    if let Some(line) = line {
        return Ok((line, reader));
    }
    // It closed stdout, so it has ended or is about to.
    let status = match timeout(options.quit_timeout, child.wait()).await {
        Ok(Ok(status)) => status.to_string(),
        _ => "it closed stdout".to_owned(),
    };
    _ = child.kill().await;
    Err(HostError::Exited {
        plugin: plugin.to_owned(),
        status,
        stderr: said.all().await,
    })
}

async fn connect(
    address: &Address,
    config: yamux::Config,
    tasks: &mut JoinSet<()>,
) -> io::Result<Connection> {
    Ok(match address {
        Address::Unix(path) => drive(UnixStream::connect(path).await?, config, tasks),
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            drive(stream, config, tasks)
        }
    })
}

fn drive<T>(io: T, config: yamux::Config, tasks: &mut JoinSet<()>) -> Connection
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (connection, driver) = yamux::connect(io, Role::Client, config);
    tasks.spawn(async move {
        if let Err(error) = driver.await {
            tracing::warn!("connection with the plugin failed: {error}");
        }
    });
    connection
}

/// Control, stdout and stderr, in this order (`rpc_client.go`, `NewRPCClient`).
fn open_streams(
    connection: &Connection,
    name: &str,
    options: &Options,
    tasks: &mut JoinSet<()>,
) -> Result<(Client, impl Future<Output = ()> + Send + use<>), yamux::Error> {
    let control = Client::new(connection.open()?, &options.limits);
    for stream_name in ["stdout", "stderr"] {
        tasks.spawn(forward_stream(plugin_name(name), stream_name, connection.open()?));
    }
    // A plugin may open streams as well (`mux_broker.go`), but this host hands out no ids for them.
    let connection = connection.clone();
    tasks.spawn(async move { while connection.accept().await.is_ok() {} });
    Ok(control)
}

/// Logs what the plugin prints on its own stdout or stderr while it serves.
async fn forward_stream(plugin: String, stream_name: &'static str, mut stream: Stream) {
    let mut printed = BytesMut::new();
    while let Ok(1..) = stream.receive(&mut printed).await {
        for line in String::from_utf8_lossy(&printed).lines() {
            tracing::debug!(target: "go_plugin::plugin", plugin, stream = stream_name, "{line}");
        }
        printed.clear();
    }
}

async fn forward_log(plugin: String, stderr: impl AsyncRead + Unpin, said: Said) {
    let (mut reader, mut parser) = (BufReader::new(stderr), Parser::default());
    while let Some(line) = next_line(&mut reader).await {
        log(&plugin, &parser.parse(&line));
        said.add(line);
    }
}

/// The file's name without its folders, as in Go.
fn plugin_name(file: &str) -> String {
    Path::new(file)
        .file_name()
        .map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The last lines of a plugin's stderr.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<VecDeque<String>>>);

impl Said {
    fn add(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// What was said, after giving the pipe of one that ended a moment to run dry.
    async fn all(&self) -> Vec<String> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

fn said(stderr: &[String]) -> String {
    match stderr {
        [] => String::new(),
        lines => format!("; its last words: {}", lines.join(" / ")),
    }
}
