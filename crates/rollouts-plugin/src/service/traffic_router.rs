//! Go: `TrafficRouterRPCServer` in `rollout/trafficrouting/plugin/rpc/rpc.go`.

use std::sync::Arc;

use go_plugin::{Answer, CallError, Service};
use gob::Encoded;

use super::{argument, invalid_arguments, reply, reply_error};
use crate::error::RpcErrorWire;
use crate::wire::Answers;
use crate::wire::traffic_router::{Arguments, VerifyWeightResponse};
use crate::{TrafficRouter, Verified};

pub(crate) struct TrafficRouterService<T> {
    pub(crate) router: Arc<T>,
    pub(crate) answers: Answers,
}

impl<T: TrafficRouter> Service for TrafficRouterService<T> {
    fn call(&self, method: &str, encoded: Encoded<'_, '_>) -> Result<Answer, CallError> {
        let router = self.router.clone();
        let error = &self.answers.rpc_error;
        // The boxes keep the arguments, a Rollout among them, out of the futures' own size.
        match method {
            "InitPlugin" => reply_error(error, async move { router.init().await }),
            "Type" => reply(&self.answers.text, async move { router.kind() }),
            "UpdateHash" => {
                let Arguments::UpdateHash(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply_error(error, async move {
                    let additional = &args.additional_destinations;
                    router
                        .update_hash(&args.rollout, &args.canary_hash, &args.stable_hash, additional)
                        .await
                })
            }
            "SetWeight" => {
                let Arguments::Weight(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply_error(error, async move {
                    router
                        .set_weight(&args.rollout, args.desired_weight, &args.additional_destinations)
                        .await
                })
            }
            "VerifyWeight" => {
                let Arguments::Weight(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply(&self.answers.verify_weight, async move {
                    let additional = &args.additional_destinations;
                    match router
                        .verify_weight(&args.rollout, args.desired_weight, additional)
                        .await
                    {
                        Ok(verified) => VerifyWeightResponse {
                            verified: verified as i32,
                            err: RpcErrorWire::default(),
                        },
                        Err(error) => VerifyWeightResponse {
                            verified: Verified::NotVerified as i32,
                            err: RpcErrorWire::from_result(&Err(error)),
                        },
                    }
                })
            }
            "SetHeaderRoute" => {
                let Arguments::SetHeader(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply_error(error, async move {
                    router
                        .set_header_route(&args.rollout, &args.set_header_route)
                        .await
                })
            }
            "SetMirrorRoute" => {
                let Arguments::SetMirror(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply_error(error, async move {
                    router
                        .set_mirror_route(&args.rollout, &args.set_mirror_route)
                        .await
                })
            }
            "RemoveManagedRoutes" => {
                let Arguments::RemoveManagedRoutes(args) = argument(encoded)? else {
                    return Err(invalid_arguments(method));
                };
                let args = Box::new(args);
                reply_error(
                    error,
                    async move { router.remove_managed_routes(&args.rollout).await },
                )
            }
            _ => Err(CallError::UnknownMethod),
        }
    }
}
