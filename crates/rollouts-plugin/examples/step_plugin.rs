//! The smallest step plugin: it is done when it has run as often as its configuration says, as in `{"times": 2}`.

use std::process::ExitCode;
use std::time::Duration;

use rollouts_plugin::types::Rollout;
use rollouts_plugin::{Plugin, RpcResult, StepContext, StepPlugin, StepResult};
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
        let Config { times } = context.parse_config()?;
        let runs = context.parse_status::<Status>()?.runs + 1;
        let message = format!("run {runs} of {times}");
        let result = match runs < times {
            true => StepResult::running(Duration::from_secs(15), message),
            false => StepResult::successful(message),
        };
        Ok(result.with_status(json!({ "runs": runs })))
    }

    async fn terminate(&self, _: &Rollout, context: &StepContext) -> RpcResult<StepResult> {
        Ok(StepResult::successful("terminated").with_status(context.status.clone()))
    }

    async fn abort(&self, rollout: &Rollout, _: &StepContext) -> RpcResult<StepResult> {
        Ok(StepResult::successful(format!(
            "taken back for {}",
            rollout.key()
        )))
    }
}

fn main() -> ExitCode {
    Plugin::step(Counter).serve()
}
