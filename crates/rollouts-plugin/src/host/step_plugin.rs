//! Go: `StepPluginRPC` in `rollout/steps/plugin/rpc/rpc.go`.

use std::sync::LazyLock;

use gob::Type;

use super::{PluginClient, Stub, any};
use crate::types::Rollout;
use crate::wire::step_plugin::{Arguments, COOKIE, NAME, Response, Step};
use crate::{RpcResult, StepContext, StepResult};

static ANY: LazyLock<Type> = LazyLock::new(|| any(include_str!("../schema/step.schema")));

/// Calls a step plugin.
#[derive(Clone)]
pub struct StepPluginClient(Stub);

impl PluginClient for StepPluginClient {
    const COOKIE: &'static str = COOKIE;
    const NAME: &'static str = NAME;
    fn new(stub: Stub) -> Self {
        Self(stub)
    }
}

/// Each method answers as the plugin's method of that name, or with `<Method> rpc call error: …`.
impl StepPluginClient {
    /// `InitPlugin`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn init(&self) -> RpcResult {
        self.0.init(&ANY).await
    }

    /// `Type`.
    ///
    /// # Errors
    /// The call's.
    pub async fn kind(&self) -> RpcResult<String> {
        self.0.call_nil("Type", &ANY).await
    }

    /// `Run`.
    ///
    /// # Errors
    /// The plugin's, the call's, or a phase that is none of the four.
    pub async fn run(&self, rollout: &Rollout, context: &StepContext) -> RpcResult<StepResult> {
        self.call("Run", &Arguments::Run(step(rollout, context))).await
    }

    /// `Terminate`.
    ///
    /// # Errors
    /// As for [`StepPluginClient::run`].
    pub async fn terminate(&self, rollout: &Rollout, context: &StepContext) -> RpcResult<StepResult> {
        self.call("Terminate", &Arguments::Terminate(step(rollout, context)))
            .await
    }

    /// `Abort`.
    ///
    /// # Errors
    /// As for [`StepPluginClient::run`].
    pub async fn abort(&self, rollout: &Rollout, context: &StepContext) -> RpcResult<StepResult> {
        self.call("Abort", &Arguments::Abort(step(rollout, context)))
            .await
    }

    async fn call(&self, method: &str, arguments: &Arguments) -> RpcResult<StepResult> {
        self.0
            .call::<Response, _>(method, &ANY, arguments)
            .await?
            .into_result()
    }
}

fn step(rollout: &Rollout, context: &StepContext) -> Step {
    Step {
        rollout: rollout.clone(),
        context: context.clone(),
    }
}
