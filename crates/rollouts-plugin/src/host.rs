//! The controller's side: start a plugin, ours or one in Go, and call it.
//!
//! For rehearsals and tests. It follows `TrafficRouterPluginRPC`, `MetricsPluginRPC` and `StepPluginRPC` of
//! argo-rollouts; a call that fails below the plugin ends in `<Method> rpc call error: …`, as there.
//!
//! What is sent of a Rollout or an AnalysisRun is what [`types`](crate::types) spells, which is less than a controller
//! sends; its types are declared in full, as Go declares them.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rollouts_plugin::host::Host;
//! use rollouts_plugin::types::Rollout;
//!
//! let host = Host::traffic_router("./rollouts-plugin-trafficrouter-gatewayapi").start().await?;
//! let router = host.connect().await?;
//! router.init().await?;
//! router.set_weight(&Rollout::default(), 20, &[]).await?;
//! host.quit().await?;
//! # Ok(())
//! # }
//! ```

mod metric_provider;
mod step_plugin;
mod traffic_router;

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use go_plugin::Handshake;
use go_plugin::host::Process;
use go_plugin::rpc::Client;
use gob::{Schema, Type};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use go_plugin::host::{HostError, Options};

pub use self::metric_provider::MetricProviderClient;
pub use self::step_plugin::StepPluginClient;
pub use self::traffic_router::TrafficRouterClient;

use crate::error::RpcErrorWire;
use crate::{RpcError, RpcResult, wire};

/// How to start a plugin of one kind.
pub struct Launch<C> {
    /// Program, arguments and environment.
    pub command: Command,
    /// Times and bounds of the process and its connection.
    pub options: Options,
    client: PhantomData<C>,
}

/// A plugin that runs, in the hands of its host. Dropping it kills the process.
#[derive(Debug)]
pub struct Host<C> {
    process: Process,
    client: PhantomData<C>,
}

/// What a host calls; implemented by the three clients.
pub trait PluginClient: Sized {
    /// Value of the cookie.
    #[doc(hidden)]
    const COOKIE: &'static str;
    /// Name to dispense.
    #[doc(hidden)]
    const NAME: &'static str;
    /// Calls on this stream.
    #[doc(hidden)]
    fn new(stub: Stub) -> Self;
}

impl Host<TrafficRouterClient> {
    /// How to start a traffic router.
    pub fn traffic_router(program: impl AsRef<OsStr>) -> Launch<TrafficRouterClient> {
        Launch::new(program.as_ref())
    }
}

impl Host<MetricProviderClient> {
    /// How to start a metric provider.
    pub fn metric_provider(program: impl AsRef<OsStr>) -> Launch<MetricProviderClient> {
        Launch::new(program.as_ref())
    }
}

impl Host<StepPluginClient> {
    /// How to start a step plugin.
    pub fn step(program: impl AsRef<OsStr>) -> Launch<StepPluginClient> {
        Launch::new(program.as_ref())
    }
}

impl<C: PluginClient> Launch<C> {
    fn new(program: &OsStr) -> Self {
        Self {
            command: Command::new(program),
            options: Options::default(),
            client: PhantomData,
        }
    }

    /// An environment variable for the plugin, beside those of this process.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// An argument, as `args:` in `argo-rollouts-config`.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Starts the plugin and connects to it.
    ///
    /// # Errors
    /// Where the program cannot be started, ends before the handshake, or speaks another protocol.
    pub async fn start(self) -> Result<Host<C>, HostError> {
        let handshake = Handshake::new(wire::COOKIE_KEY, C::COOKIE, wire::PROTOCOL_VERSION);
        let process = Process::start(self.command, &handshake, self.options).await?;
        Ok(Host {
            process,
            client: PhantomData,
        })
    }
}

impl<C: PluginClient> Host<C> {
    /// A connection to the plugin; there may be several.
    ///
    /// # Errors
    /// Where the process is another kind of plugin, or gone.
    pub async fn connect(&self) -> Result<C, HostError> {
        Ok(C::new(Stub {
            client: self.process.dispense(C::NAME).await?,
            deadline: DEADLINE,
        }))
    }

    /// The plugin's process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Asks whether the plugin is there, as the controller does before every reconcile.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn ping(&self) -> Result<(), HostError> {
        self.process.ping().await
    }

    /// Ends the plugin: Quit, and SIGKILL when it does not end in time.
    ///
    /// # Errors
    /// Where the system cannot tell how it ended.
    pub async fn quit(self) -> Result<ExitStatus, HostError> {
        self.process.quit().await
    }
}

/// How long an answer may take. The controller would wait for ever; a plugin of this SDK answers within its own
/// deadline of 30 s.
const DEADLINE: Duration = Duration::from_secs(60);

/// Calls on one dispensed stream.
#[derive(Clone)]
pub struct Stub {
    client: Client,
    deadline: Duration,
}

impl Stub {
    /// Calls `Plugin.<method>` with an interface value.
    async fn call<T, A>(&self, method: &str, any: &Type, argument: &A) -> RpcResult<T>
    where
        T: DeserializeOwned + Send + 'static,
        A: Serialize + ?Sized,
    {
        self.client
            .call(method, any, argument, self.deadline)
            .await
            .map_err(|error| RpcError::new(format!("{method} rpc call error: {}", RpcError::chain(&error))))
    }

    /// A call without an argument: a nil interface.
    async fn call_nil<T: DeserializeOwned + Send + 'static>(&self, method: &str, any: &Type) -> RpcResult<T> {
        self.call(method, any, &None::<()>).await
    }

    /// A call that is answered with an `RpcError`.
    async fn call_for_error<A: Serialize + ?Sized>(
        &self,
        method: &str,
        any: &Type,
        argument: &A,
    ) -> RpcResult {
        self.call::<RpcErrorWire, A>(method, any, argument)
            .await?
            .into_result()
    }

    async fn init(&self, any: &Type) -> RpcResult {
        self.call_nil::<RpcErrorWire>("InitPlugin", any)
            .await?
            .into_result()
    }
}

/// The type `any` of a schema: what arguments travel as.
fn any(schema: &'static str) -> Type {
    let schema = Schema::parse(schema).expect("the committed schema is valid");
    schema.ty("any").expect("any is predeclared").clone()
}
