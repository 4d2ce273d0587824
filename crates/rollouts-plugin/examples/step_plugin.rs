//! The smallest step plugin: it is done when it has run as often as its configuration says, as in `{"times": 2}`.

use std::process::ExitCode;
use std::time::Duration;

use rollouts_plugin::types::{RawJson, Rollout};
use rollouts_plugin::{Plugin, RpcResult, StepContext, StepPhase, StepPlugin, StepResult};
use serde_json::json;

#[derive(serde::Deserialize)]
struct Config {
    times: u64,
}

#[derive(Default, serde::Deserialize)]
struct Status {
    runs: u64,
}

struct Counter;

impl StepPlugin for Counter {
    fn kind(&self) -> String {
        "Counter".to_owned()
    }

    async fn run(&self, _: &Rollout, context: &StepContext) -> RpcResult<StepResult> {
        let config: Config = context
            .config
            .parse()
            .map_err(|error| format!("config: {error}"))?;
        let before: Status = context.status.parse().unwrap_or_default();
        let runs = before.runs + 1;
        let phase = if runs < config.times {
            StepPhase::Running
        } else {
            StepPhase::Successful
        };
        let status = RawJson::from(&json!({ "runs": runs }));
        let message = format!("run {runs} of {}", config.times);
        Ok(StepResult {
            phase,
            message,
            requeue_after: Duration::from_secs(15),
            status,
        })
    }

    async fn terminate(&self, _: &Rollout, context: &StepContext) -> RpcResult<StepResult> {
        let status = context.status.clone();
        Ok(StepResult {
            phase: StepPhase::Successful,
            message: "terminated".to_owned(),
            status,
            ..Default::default()
        })
    }

    async fn abort(&self, rollout: &Rollout, _: &StepContext) -> RpcResult<StepResult> {
        let message = format!("taken back for {}", rollout.key());
        Ok(StepResult {
            phase: StepPhase::Successful,
            message,
            ..Default::default()
        })
    }
}

fn main() -> ExitCode {
    Plugin::step(Counter).serve()
}
