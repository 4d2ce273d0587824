//! Go: `MetricsRPCServer` in `metricproviders/plugin/rpc/rpc.go`.

use std::sync::Arc;

use go_plugin::{Answer, CallError, Service};
use gob::Encoded;

use super::{argument, invalid_arguments, reply, reply_error};
use crate::MetricProvider;
use crate::wire::Answers;
use crate::wire::metric_provider::Arguments;

pub(crate) struct MetricProviderService<T> {
    pub(crate) provider: Arc<T>,
    pub(crate) answers: Answers,
}

impl<T: MetricProvider> Service for MetricProviderService<T> {
    fn call(&self, method: &str, encoded: Encoded<'_, '_>) -> Result<Answer, CallError> {
        let provider = self.provider.clone();
        let Answers {
            rpc_error,
            measurement,
            text,
            metadata,
            ..
        } = &self.answers;
        match method {
            "InitPlugin" => reply_error(rpc_error, async move { provider.init().await }),
            "Type" => reply(text, async move { provider.kind() }),
            "Run" => {
                let Arguments::Run(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply(measurement, async move {
                    provider.run(&args.analysis_run, &args.metric).await
                })
            }
            "Resume" => {
                let Arguments::Continue(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply(measurement, async move {
                    provider
                        .resume(&args.analysis_run, &args.metric, &args.measurement)
                        .await
                })
            }
            "Terminate" => {
                let Arguments::Continue(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply(measurement, async move {
                    provider
                        .terminate(&args.analysis_run, &args.metric, &args.measurement)
                        .await
                })
            }
            "GarbageCollect" => {
                let Arguments::GarbageCollect(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply_error(rpc_error, async move {
                    provider
                        .garbage_collect(&args.analysis_run, &args.metric, args.limit)
                        .await
                })
            }
            "GetMetadata" => {
                let Arguments::Metadata(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply(metadata, async move { provider.metadata(&args.metric).await })
            }
            _ => Err(CallError::UnknownMethod),
        }
    }
}
