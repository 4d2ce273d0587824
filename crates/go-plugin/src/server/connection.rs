//! One host's connection (`rpc_server.go`, `ServeConn`).

use std::{
    future::pending,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use gob::Encoded;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    task::{JoinError, JoinSet},
};

use super::Services;
use crate::{
    broker::{Broker, BrokerError},
    rpc::{Nothing, Outcome, Receiver, Rules, Slot, Slots, StreamError, Types, serve},
    service::{CallError, Reply, Service},
    stdio::Printed,
    yamux::{self, Role, Stream},
};

/// Dispensed plugins that may wait for their streams on one connection.
const PENDING: usize = 64;

/// What all connections share.
pub(super) struct Shared {
    pub(super) services: Services,
    pub(super) rules: Rules,
    pub(super) session: yamux::Config,
    pub(super) printed: Printed,
    /// How many hosts are connected.
    pub(super) hosts: watch::Sender<usize>,
    /// Whether one of them said Quit.
    pub(super) quit: watch::Sender<bool>,
}

/// Serves one host until it closes the connection and the calls it had made are done.
pub(super) async fn serve_connection<T>(io: T, shared: Arc<Shared>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (connection, mut driver) = yamux::connect(io, Role::Server, shared.session);
    let broker = Broker::default();
    let (dispensed, mut to_serve) = mpsc::unbounded_channel();
    let mut control = Some(Control {
        shared: shared.clone(),
        broker: broker.clone(),
        pending: Slots::new(PENDING),
        dispensed,
    });
    // `stderr` stays open and silent: what this process logs goes to the real one.
    let mut stdout = None;
    let mut stderr = None;
    // Who only looks whether someone listens is no host (`cmdrunner`, `ReattachFunc`; `socket::sweep`).
    let mut live = None;
    let mut calls = JoinSet::new();
    let mut others = JoinSet::new();
    // Held by each task that serves a plugin, or waits to.
    let mut plugins = Weak::new();
    let mut is_broken = false;
    loop {
        tokio::select! {
            result = &mut driver => {
                if let Err(error) = result {
                    tracing::warn!("connection with the host failed: {}", chain(&error));
                }
                break;
            }
            // The host opens control, stdout and stderr, in this order, and then what it dispenses.
            Ok(stream) = connection.accept() => {
                if let Some(control) = control.take() {
                    live = Some(Live::new(&shared.hosts));
                    let rules = shared.rules.clone();
                    calls.spawn(async move { Ok(serve(stream, control, rules).await?) });
                } else if stdout.is_none() {
                    stdout = Some(others.spawn(forward(shared.printed.subscribe(), stream)));
                } else if stderr.is_none() {
                    stderr = Some(stream);
                } else {
                    let broker = broker.clone();
                    others.spawn(async move { broker.bring(stream).await });
                }
            }
            Some(Dispensed { id, service, pending }) = to_serve.recv() => {
                let (broker, rules) = (broker.clone(), shared.rules.clone());
                let held = plugins.upgrade().unwrap_or_else(|| Arc::new(()));
                plugins = Arc::downgrade(&held);
                calls.spawn(async move {
                    let _held = held;
                    let stream = broker.accept(id).await?;
                    drop(pending);
                    Ok(serve(stream, Plugin { service }, rules).await?)
                });
            }
            Some(ended) = calls.join_next(), if !calls.is_empty() => {
                // The host fetches a plugin once. Where the last stream is broken nothing but Ping would be answered, and the
                // host would never start another process.
                is_broken |= match &ended {
                    Ok(Err(TaskError::Stream(StreamError::Gob(_)))) | Err(_) => true,
                    Ok(_) => false,
                };
                report(ended);
                if is_broken && plugins.strong_count() == 0 {
                    connection.close();
                }
            }
            Some(ended) = others.join_next(), if !others.is_empty() => report(ended.map(Ok)),
        }
    }
    drop((live, others));
    // What was called before the host went is carried through, within its deadline and as long as the process stays.
    while let Some(ended) = calls.join_next().await {
        report(ended);
    }
}

/// Counts a connected host.
#[derive(Debug)]
struct Live(watch::Sender<usize>);

impl Live {
    fn new(hosts: &watch::Sender<usize>) -> Self {
        hosts.send_modify(|count| *count += 1);
        Self(hosts.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Sends what the process prints to the host, as far as the host reads it.
async fn forward(mut printed: broadcast::Receiver<Bytes>, mut stream: Stream) {
    loop {
        match printed.recv().await {
            Ok(piece) => {
                if stream.send(&piece).await.is_err() {
                    return;
                }
            }
            Err(RecvError::Lagged(count)) => {
                tracing::warn!("the host did not read stdout: {count} pieces of it are lost");
            }
            // Nothing will be printed any more; the stream stays open, since a host may take its end for ours.
            Err(RecvError::Closed) => pending().await,
        }
    }
}

/// Why one of a connection's tasks ended early. The others go on.
#[derive(Debug, thiserror::Error)]
enum TaskError {
    #[error("a dispensed plugin was not fetched")]
    Broker(#[from] BrokerError),
    #[error("a stream of calls failed")]
    Stream(#[from] StreamError),
}

fn report(ended: Result<Result<(), TaskError>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("{}", chain(&error)),
        Err(error) => tracing::error!("a task of the connection failed: {error}"),
    }
}

/// The receivers of the control stream: `Control` and `Dispenser`.
struct Control {
    shared: Arc<Shared>,
    broker: Broker,
    pending: Slots,
    dispensed: mpsc::UnboundedSender<Dispensed>,
}

/// A plugin whose stream is to come.
struct Dispensed {
    id: u32,
    service: Arc<dyn Service>,
    pending: Slot,
}

impl Receiver for Control {
    fn call(&mut self, service_method: &str, argument: Encoded<'_, '_>) -> Outcome {
        let types = Types::shared();
        let answer = match service_method {
            "Control.Ping" => boolean(argument).map(|_| Reply::new(&types.nothing, Nothing {})),
            "Control.Quit" => boolean(argument).map(|_| {
                self.shared.quit.send_replace(true);
                Reply::new(&types.nothing, Nothing {})
            }),
            "Dispenser.Dispense" => self.dispense(argument).map(|id| Reply::new(&types.uint32, id)),
            other => Err(unknown(other, &["Control", "Dispenser"])),
        };
        Outcome::Now(answer)
    }
}

impl Control {
    fn dispense(&self, argument: Encoded<'_, '_>) -> Result<u32, String> {
        let name: String = argument.deserialize().map_err(|error| error.to_string())?;
        let service = self
            .shared
            .services
            .get(&name)
            .ok_or_else(|| format!("unknown plugin type: {name}"))?;
        let pending = self
            .pending
            .take()
            .ok_or_else(|| format!("{PENDING} dispensed plugins wait to be fetched"))?;
        let id = self.broker.next_id();
        // The connection's own task is there as long as this one.
        _ = self.dispensed.send(Dispensed {
            id,
            service: service.clone(),
            pending,
        });
        Ok(id)
    }
}

fn boolean(argument: Encoded<'_, '_>) -> Result<bool, String> {
    argument.deserialize().map_err(|error| error.to_string())
}

/// The receiver of a dispensed plugin's stream.
struct Plugin {
    service: Arc<dyn Service>,
}

impl Receiver for Plugin {
    fn call(&mut self, service_method: &str, argument: Encoded<'_, '_>) -> Outcome {
        let called = match service_method.rsplit_once('.') {
            Some(("Plugin", method)) => self.service.call(method, argument),
            _ => return Outcome::Now(Err(unknown(service_method, &["Plugin"]))),
        };
        match called {
            Ok(answer) => Outcome::Later(answer),
            Err(CallError::UnknownMethod) => Outcome::Now(Err(unknown(service_method, &["Plugin"]))),
            Err(error @ CallError::Argument(_)) => Outcome::Now(Err(format!("{service_method}: {error}"))),
        }
    }
}

/// What Go says of a call that nobody takes (`net/rpc`, `readRequestHeader`).
fn unknown(service_method: &str, services: &[&str]) -> String {
    match service_method.rsplit_once('.') {
        None => format!("rpc: service/method request ill-formed: {service_method}"),
        Some((service, _)) if services.contains(&service) => {
            format!("rpc: can't find method {service_method}")
        }
        Some(_) => format!("rpc: can't find service {service_method}"),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
#[cfg(feature = "host")]
mod tests;
