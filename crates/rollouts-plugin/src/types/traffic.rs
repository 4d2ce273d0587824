//! Traffic routing of a canary: what the user wrote and what the controller asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RawJson;

/// `v1alpha1.RolloutTrafficRouting`, as far as it concerns plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutTrafficRouting {
    /// Managed routes; their order is their precedence.
    #[serde(rename = "ManagedRoutes", alias = "managedRoutes")]
    pub managed_routes: Vec<ManagedRoute>,
    /// Plugin configurations by the name under which the operator registered the plugin.
    #[serde(rename = "Plugins", alias = "plugins")]
    pub plugins: BTreeMap<String, RawJson>,
    /// The sum of all weights, 100 where absent.
    #[serde(rename = "MaxTrafficWeight", alias = "maxTrafficWeight")]
    pub max_traffic_weight: Option<i32>,
}

/// `v1alpha1.MangedRoutes` (spelled so in Go).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManagedRoute {
    /// Name that `setHeaderRoute` and `setMirrorRoute` steps refer to.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
}

/// `v1alpha1.SetHeaderRoute`: requests that match go to the canary. No match removes the route of that name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetHeaderRoute {
    /// One of the managed routes.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Alternatives, of which all conditions must hold.
    #[serde(rename = "Match", alias = "match")]
    pub matches: Vec<HeaderRoutingMatch>,
}

/// `v1alpha1.HeaderRoutingMatch`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderRoutingMatch {
    /// Name of the request header.
    #[serde(rename = "HeaderName", alias = "headerName")]
    pub header_name: String,
    /// Its value. Required by the CRD; [`None`] where a user evaded validation.
    #[serde(rename = "HeaderValue", alias = "headerValue")]
    pub header_value: Option<StringMatch>,
}

/// `v1alpha1.StringMatch`: exactly one of the three is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StringMatch {
    /// The whole value.
    #[serde(rename = "Exact", alias = "exact")]
    pub exact: String,
    /// The beginning of the value.
    #[serde(rename = "Prefix", alias = "prefix")]
    pub prefix: String,
    /// A regular expression.
    #[serde(rename = "Regex", alias = "regex")]
    pub regex: String,
}

/// `v1alpha1.SetMirrorRoute`: a share of the requests that match is copied to the canary. No match removes the route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetMirrorRoute {
    /// One of the managed routes.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Alternatives, each a request to copy.
    #[serde(rename = "Match", alias = "match")]
    pub matches: Vec<RouteMatch>,
    /// Share to copy in percent, all where absent. 0 travels as [`None`].
    #[serde(rename = "Percentage", alias = "percentage")]
    pub percentage: Option<i32>,
}

/// `v1alpha1.RouteMatch`: all that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteMatch {
    /// Request method.
    #[serde(rename = "Method", alias = "method")]
    pub method: Option<StringMatch>,
    /// Request path.
    #[serde(rename = "Path", alias = "path")]
    pub path: Option<StringMatch>,
    /// Request headers by name.
    #[serde(rename = "Headers", alias = "headers")]
    pub headers: BTreeMap<String, StringMatch>,
}
