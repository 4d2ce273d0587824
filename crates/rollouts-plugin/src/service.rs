//! From net/rpc calls to trait methods: the controller's calls arrive here by name.

mod metric_provider;
mod step_plugin;
mod traffic_router;

use std::future::Future;

use go_plugin::{Answer, CallError, Reply};
use gob::{Encoded, Type};
use serde::{Deserialize, Serialize};

pub(crate) use self::metric_provider::MetricProviderService;
pub(crate) use self::step_plugin::StepPluginService;
pub(crate) use self::traffic_router::TrafficRouterService;

use crate::RpcResult;
use crate::error::RpcErrorWire;

/// Reads the one argument of a call. Go's server refuses an argument of another registered type in the same words
/// (`invalid args`), which cannot happen with a controller of ours or theirs.
fn argument<'b, T: Deserialize<'b>>(argument: Encoded<'_, 'b>) -> Result<T, CallError> {
    argument.deserialize().map_err(CallError::from)
}

fn invalid_arguments(method: &str) -> CallError {
    CallError::Argument(format!("invalid args for {method}"))
}

/// Answers with a plain value.
fn reply<T, F>(ty: &Type, value: F) -> Result<Answer, CallError>
where
    T: Serialize + Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let ty = ty.clone();
    Ok(Box::pin(async move { Ok(Reply::new(&ty, value.await)) }))
}

/// Answers with an `RpcError`.
fn reply_error<F>(ty: &Type, value: F) -> Result<Answer, CallError>
where
    F: Future<Output = RpcResult> + Send + 'static,
{
    reply(ty, async move { RpcErrorWire::from_result(&value.await) })
}
