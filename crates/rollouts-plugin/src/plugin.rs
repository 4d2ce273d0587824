//! Serving: the whole `main` of a plugin.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use go_plugin::{Handshake, Options, Server, hclog};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::service::{MetricProviderService, StepPluginService, TrafficRouterService};
use crate::wire::{self, Answers};
use crate::{MetricProvider, StepPlugin, TrafficRouter};

/// How long the last log lines may take to leave when the process ends.
const FLUSH: Duration = Duration::from_millis(200);
/// The environment variable that sets the log level: `trace`, `debug`, `info` (the default), `warn`, `error`, `off`.
const LOG_LEVEL: &str = "ROLLOUTS_PLUGIN_LOG_LEVEL";

/// A plugin of one kind, ready to serve the controller that started the process.
///
/// ```no_run
/// # use rollouts_plugin::{Plugin, RpcResult, TrafficRouter, Verified, types::*};
/// # struct MyRouter;
/// # impl TrafficRouter for MyRouter {
/// #     fn kind(&self) -> String { "My".into() }
/// #     async fn set_weight(&self, _: &Rollout, _: i32, _: &[WeightDestination]) -> RpcResult { Ok(()) }
/// #     async fn verify_weight(&self, _: &Rollout, _: i32, _: &[WeightDestination]) -> RpcResult<Verified> {
/// #         Ok(Verified::NotImplemented)
/// #     }
/// #     async fn remove_managed_routes(&self, _: &Rollout) -> RpcResult { Ok(()) }
/// # }
/// fn main() -> std::process::ExitCode {
///     Plugin::traffic_router(MyRouter).serve()
/// }
/// ```
#[must_use = "a plugin does nothing until it serves"]
pub struct Plugin {
    kind: &'static Kind,
    server: Server,
    options: Options,
    log_level: hclog::Level,
}

/// What differs between the kinds when somebody starts a plugin by hand.
struct Kind {
    cookie: &'static str,
    noun: &'static str,
    /// Key of the `argo-rollouts-config` ConfigMap.
    registry: &'static str,
    /// Where a user of the plugin configures it.
    usage: &'static str,
}

const TRAFFIC_ROUTER: Kind = Kind {
    cookie: wire::traffic_router::COOKIE,
    noun: "traffic router",
    registry: "trafficRouterPlugins",
    usage: "spec.strategy.canary.trafficRouting.plugins of a Rollout",
};
const METRIC_PROVIDER: Kind = Kind {
    cookie: wire::metric_provider::COOKIE,
    noun: "metric provider",
    registry: "metricProviderPlugins",
    usage: "spec.metrics[].provider.plugin of an AnalysisTemplate",
};
const STEP_PLUGIN: Kind = Kind {
    cookie: wire::step_plugin::COOKIE,
    noun: "step plugin",
    registry: "stepPlugins",
    usage: "spec.strategy.canary.steps[].plugin of a Rollout",
};

impl Plugin {
    /// A traffic router.
    pub fn traffic_router(router: impl TrafficRouter) -> Self {
        let service = TrafficRouterService {
            router: Arc::new(router),
            answers: Answers::new(),
        };
        Self::new(&TRAFFIC_ROUTER, |server| {
            server.service(wire::traffic_router::NAME, service)
        })
    }

    /// A metric provider.
    pub fn metric_provider(provider: impl MetricProvider) -> Self {
        let service = MetricProviderService {
            provider: Arc::new(provider),
            answers: Answers::new(),
        };
        Self::new(&METRIC_PROVIDER, |server| {
            server.service(wire::metric_provider::NAME, service)
        })
    }

    /// A step plugin.
    pub fn step(step: impl StepPlugin) -> Self {
        let service = StepPluginService {
            step: Arc::new(step),
            answers: Answers::new(),
        };
        Self::new(&STEP_PLUGIN, |server| {
            server.service(wire::step_plugin::NAME, service)
        })
    }

    fn new(kind: &'static Kind, add: impl FnOnce(Server) -> Server) -> Self {
        let handshake = Handshake::new(wire::COOKIE_KEY, kind.cookie, wire::PROTOCOL_VERSION);
        Self {
            kind,
            server: add(Server::new(handshake)),
            options: Options::default(),
            log_level: std::env::var(LOG_LEVEL)
                .ok()
                .and_then(|level| level.parse().ok())
                .unwrap_or_default(),
        }
    }

    /// How long a call may take before it is answered with an error; 30 s unless said. The controller itself waits
    /// for ever, with one of its few workers.
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.options.call_deadline = deadline;
        self
    }

    /// What to log; info and above unless said here or in `ROLLOUTS_PLUGIN_LOG_LEVEL`.
    pub fn log_level(mut self, level: hclog::Level) -> Self {
        self.log_level = level;
        self
    }

    /// Serves until the controller ends it: the whole `main` of a plugin.
    ///
    /// tracing's events and panics become log lines of the controller. Started by hand, it says what it is and how to
    /// register it, and exits with 1.
    pub fn serve(self) -> ExitCode {
        if !started_by_controller() {
            // Nobody is left to tell when stderr is closed.
            _ = io::stderr().write_all(self.kind.introduction().as_bytes());
            return ExitCode::FAILURE;
        }
        let stderr = hclog::stderr();
        let layer = hclog::Layer::new(stderr.clone()).level(self.log_level);
        // A program that has set a subscriber of its own keeps it.
        _ = tracing_subscriber::registry().with(layer).try_init();
        hclog::log_panics(stderr.clone());
        let code = self.server.options(self.options).run();
        stderr.flush(FLUSH);
        code
    }
}

/// Whether a controller started this process: whether the cookie's variable is there. A program with subcommands of
/// its own asks before it reads its arguments.
pub fn started_by_controller() -> bool {
    std::env::var_os(wire::COOKIE_KEY).is_some()
}

impl Kind {
    fn introduction(&self) -> String {
        let Self {
            cookie: _,
            noun,
            registry,
            usage,
        } = self;
        format!(
            "This is a {noun} plugin of Argo Rollouts. The controller starts it; it does nothing by itself.\n\
             \n\
             Register it in the ConfigMap argo-rollouts-config, in the controller's namespace, and restart the controller:\n\
             \n\
             \x20 data:\n\
             \x20   {registry}: |-\n\
             \x20     - name: \"example/name\"\n\
             \x20       location: \"file:///path/in/the/controller/image\"  # or https://…, with sha256\n\
             \n\
             Then use it under that name in {usage}.\n"
        )
    }
}
