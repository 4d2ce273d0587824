//! Arguments and answers as they travel between controller and plugin.
//!
//! Arguments are gob interface values: the controller passes `&args` with `args any` to `rpc.Client.Call`, so each
//! carries the name under which Go registered its type. Answers are plain values.

pub(crate) mod metric_provider;
pub(crate) mod step_plugin;
pub(crate) mod traffic_router;

use gob::{Schema, Type};

/// `ARGO_ROLLOUTS_RPC_PLUGIN`: the environment variable that tells a plugin that a controller started it (Go:
/// `handshakeConfig` in each plugin client package).
pub(crate) const COOKIE_KEY: &str = "ARGO_ROLLOUTS_RPC_PLUGIN";
/// The version of the plugin protocol; it has been 1 since Rollouts 1.5.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

/// The types of answers, declared as Go declares them. `Measurement.Phase` and `RpcStepResult.Phase` are named strings,
/// `RequeueAfter` is `time.Duration`, `Status` is `json.RawMessage`.
const ANSWERS: &str = "
    type RpcError struct { ErrorString string }
    type VerifyWeightResponse struct { Verified int32; Err RpcError }
    type Time gob.GobEncoder
    type Measurement struct {
        Phase string
        Message string
        StartedAt *Time
        FinishedAt *Time
        Value string
        Metadata map[string]string
        ResumeAt *Time
    }
    type RpcStepResult struct { Phase string; Message string; RequeueAfter int64; Status []byte }
    type Response struct { Result RpcStepResult; Error RpcError }
    type Text string
    type Metadata map[string]string
";

/// The types of answers, looked up once.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) rpc_error: Type,
    pub(crate) verify_weight: Type,
    pub(crate) measurement: Type,
    pub(crate) step: Type,
    pub(crate) text: Type,
    pub(crate) metadata: Type,
}

impl Answers {
    pub(crate) fn new() -> Self {
        let schema = Schema::parse(ANSWERS).expect("the declarations above are valid");
        let ty = |name| schema.ty(name).expect("declared above").clone();
        Self {
            rpc_error: ty("RpcError"),
            verify_weight: ty("VerifyWeightResponse"),
            measurement: ty("Measurement"),
            step: ty("Response"),
            text: ty("Text"),
            metadata: ty("Metadata"),
        }
    }
}
