//! Go: `StepRPCServer` in `rollout/steps/plugin/rpc/rpc.go`.

use std::sync::Arc;

use go_plugin::{Answer, CallError, Service};
use gob::Encoded;

use super::{argument, invalid_arguments, reply, reply_error};
use crate::StepPlugin;
use crate::wire::Answers;
use crate::wire::step_plugin::{Arguments, Response};

pub(crate) struct StepPluginService<T> {
    pub(crate) step: Arc<T>,
    pub(crate) answers: Answers,
}

impl<T: StepPlugin> Service for StepPluginService<T> {
    fn call(&self, method: &str, encoded: Encoded<'_, '_>) -> Result<Answer, CallError> {
        let step = self.step.clone();
        let answer = &self.answers.step;
        match method {
            "InitPlugin" => reply_error(&self.answers.rpc_error, async move { step.init().await }),
            "Type" => reply(&self.answers.text, async move { step.kind() }),
            "Run" => {
                let Arguments::Run(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply(answer, async move {
                    Response::of_run(step.run(&args.rollout, &args.context).await)
                })
            }
            "Terminate" => {
                let Arguments::Terminate(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply(answer, async move {
                    Response::from_result(step.terminate(&args.rollout, &args.context).await)
                })
            }
            "Abort" => {
                let Arguments::Abort(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply(answer, async move {
                    Response::from_result(step.abort(&args.rollout, &args.context).await)
                })
            }
            _ => Err(CallError::UnknownMethod),
        }
    }
}
