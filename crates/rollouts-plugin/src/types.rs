//! Argo's types as they travel from the controller to a plugin.
//!
//! Only the fields that plugin writers need are spelled here; everything else that the controller sends is skipped
//! while decoding, so a newer controller's new fields do no harm.
//!
//! Every type reads from two forms:
//! - **gob**, where a field carries its Go name (`TrafficRouting`), a [`Time`] is a GobEncoder's bytes and a
//!   [`RawJson`] is a byte slice. This is what the controller sends.
//! - **Kubernetes JSON**, where a field carries its JSON name (`trafficRouting`). This is what files and the API server
//!   hold; offline tools read it through the same types.
//!
//! Serialising gives the gob form, for the controller's side of the protocol. There is no way to write Kubernetes JSON
//! from these types, on purpose: an object that belongs to the user is raw JSON, and a partial view written back would
//! delete what the view does not know.
//!
//! # What gob loses
//! gob omits zero values and flattens pointers, so a Go pointer to zero arrives as no value: `setWeight: 0`,
//! `currentStepIndex: 0` and `verified: false` all arrive as [`None`] (Go `encoding/gob` documentation, "Encoding
//! Details"; `encode.go` `encOpTable`). The methods [`CanaryStep::action`] and [`Rollout::current_step_index`] give
//! back what was meant.

mod analysis;
mod meta;
mod raw_json;
mod rollout;
mod status;
mod step;
mod time;
mod traffic;

pub use self::analysis::{
    AnalysisPhase, AnalysisRun, AnalysisRunSpec, AnalysisRunStatus, Argument, Measurement, Metric,
    MetricProviderSpec, MetricResult, SecretKeyRef, ValueFrom,
};
pub use self::meta::{IntOrString, ObjectMeta, OwnerReference, TypeMeta};
pub use self::raw_json::RawJson;
pub use self::rollout::{CanaryStrategy, ObjectRef, PingPongSpec, Rollout, RolloutSpec, RolloutStrategy};
pub use self::status::{
    CanaryStatus, PauseCondition, RolloutAnalysisRunStatus, RolloutCondition, RolloutStatus,
    StepPluginStatus, TrafficWeights, WeightDestination,
};
pub use self::step::{
    Action, AnalysisStep, CanaryStep, ExperimentStep, ExperimentTemplate, PluginStep, RolloutPause,
    SetCanaryScale, TemplateService,
};
pub use self::time::Time;
pub use self::traffic::{
    HeaderRoutingMatch, ManagedRoute, RolloutTrafficRouting, RouteMatch, SetHeaderRoute, SetMirrorRoute,
    StringMatch,
};
