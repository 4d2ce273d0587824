//! The steps of a canary.

use serde::{Deserialize, Serialize};

use super::{IntOrString, RawJson, SetHeaderRoute, SetMirrorRoute};

/// `v1alpha1.CanaryStep`: one of its fields is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CanaryStep {
    /// Weight of the canary, 0 to `maxTrafficWeight`. 0 travels as [`None`]: see [`CanaryStep::action`].
    #[serde(rename = "SetWeight", alias = "setWeight")]
    pub set_weight: Option<i32>,
    /// Wait for a time or for a promotion.
    #[serde(rename = "Pause", alias = "pause")]
    pub pause: Option<RolloutPause>,
    /// Run an Experiment.
    #[serde(rename = "Experiment", alias = "experiment")]
    pub experiment: Option<ExperimentStep>,
    /// Run an AnalysisRun; its content is not spelled here.
    #[serde(rename = "Analysis", alias = "analysis")]
    pub analysis: Option<AnalysisStep>,
    /// Scale the canary apart from its weight.
    #[serde(rename = "SetCanaryScale", alias = "setCanaryScale")]
    pub set_canary_scale: Option<SetCanaryScale>,
    /// Send requests with a header to the canary.
    #[serde(rename = "SetHeaderRoute", alias = "setHeaderRoute")]
    pub set_header_route: Option<SetHeaderRoute>,
    /// Copy requests to the canary.
    #[serde(rename = "SetMirrorRoute", alias = "setMirrorRoute")]
    pub set_mirror_route: Option<SetMirrorRoute>,
    /// Run a step plugin.
    #[serde(rename = "Plugin", alias = "plugin")]
    pub plugin: Option<PluginStep>,
}

/// What a step does, with the zero that gob drops restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// `setWeight`.
    SetWeight(i32),
    /// `pause`.
    Pause(&'a RolloutPause),
    /// `experiment`.
    Experiment(&'a ExperimentStep),
    /// `analysis`.
    Analysis,
    /// `setCanaryScale`.
    SetCanaryScale(&'a SetCanaryScale),
    /// `setHeaderRoute`.
    SetHeaderRoute(&'a SetHeaderRoute),
    /// `setMirrorRoute`.
    SetMirrorRoute(&'a SetMirrorRoute),
    /// `plugin`.
    Plugin(&'a PluginStep),
}

impl CanaryStep {
    /// What the step does. A step without any field is `setWeight: 0`: validation refuses an empty step (Go:
    /// `validation.go` `ValidateRolloutStrategyCanary`), and 0 is the one value that gob leaves out.
    ///
    /// A step kind that this version does not know also arrives without a field and is taken for `setWeight: 0`; no
    /// controller up to 1.10 has one.
    pub fn action(&self) -> Action<'_> {
        if let Some(pause) = &self.pause {
            Action::Pause(pause)
        } else if let Some(experiment) = &self.experiment {
            Action::Experiment(experiment)
        } else if self.analysis.is_some() {
            Action::Analysis
        } else if let Some(scale) = &self.set_canary_scale {
            Action::SetCanaryScale(scale)
        } else if let Some(route) = &self.set_header_route {
            Action::SetHeaderRoute(route)
        } else if let Some(route) = &self.set_mirror_route {
            Action::SetMirrorRoute(route)
        } else if let Some(plugin) = &self.plugin {
            Action::Plugin(plugin)
        } else {
            Action::SetWeight(self.set_weight.unwrap_or(0))
        }
    }
}

/// `v1alpha1.RolloutPause`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutPause {
    /// Seconds as a number, or a duration with a unit (`30s`, `1h`); without it the pause lasts until promotion.
    #[serde(rename = "Duration", alias = "duration")]
    pub duration: Option<IntOrString>,
}

/// `v1alpha1.RolloutAnalysis` in a step: that it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalysisStep {}

/// `v1alpha1.SetCanaryScale`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetCanaryScale {
    /// Percentage of `spec.replicas`. 0 travels as [`None`].
    #[serde(rename = "Weight", alias = "weight")]
    pub weight: Option<i32>,
    /// Number of pods. 0 travels as [`None`].
    #[serde(rename = "Replicas", alias = "replicas")]
    pub replicas: Option<i32>,
    /// Follow the traffic weight again.
    #[serde(rename = "MatchTrafficWeight", alias = "matchTrafficWeight")]
    pub match_traffic_weight: bool,
}

/// `v1alpha1.RolloutExperimentStep`, as far as it concerns traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExperimentStep {
    /// What runs in the experiment.
    #[serde(rename = "Templates", alias = "templates")]
    pub templates: Vec<ExperimentTemplate>,
}

/// `v1alpha1.RolloutExperimentTemplate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExperimentTemplate {
    /// Name, unique in the step.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// `canary` or `stable`.
    #[serde(rename = "SpecRef", alias = "specRef")]
    pub spec_ref: String,
    /// Share of the traffic. 0 travels as [`None`].
    #[serde(rename = "Weight", alias = "weight")]
    pub weight: Option<i32>,
    /// The Service that is made for it; one with a weight has one also without this.
    #[serde(rename = "Service", alias = "service")]
    pub service: Option<TemplateService>,
}

/// `v1alpha1.TemplateService`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateService {
    /// Name of the Service; the controller chooses one where it is empty.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
}

/// `v1alpha1.PluginStep`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginStep {
    /// Name under which the operator registered the step plugin.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Its configuration.
    #[serde(rename = "Config", alias = "config")]
    pub config: RawJson,
}
