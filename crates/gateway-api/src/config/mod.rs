//! What the user wrote under `trafficRouting.plugins`: which routes carry the Rollout's traffic.
//!
//! The fields are those of the Go plugin (`pkg/plugin/types.go` `GatewayAPITrafficRouting`), so a Rollout written for it
//! reads unchanged. Differences: an unknown field is an error, a name may carry its namespace (`other/route`), UDPRoutes
//! exist, and a route that is named twice counts once.

mod affinity;
mod error;
mod fields;
mod matches;
mod own;
mod routes;
mod scope;
mod selector;

use serde_json::Value;

pub use self::affinity::{SameSite, SessionAffinity};
pub use self::error::ConfigError;
use self::fields::Fields;
pub use self::matches::{RequestMatch, RouteMatches};
pub use self::own::PluginName;
pub(crate) use self::routes::is_dns_subdomain;
use self::routes::{Named, checked_namespace};
pub use self::routes::{RouteSelector, RouteTarget};
pub use self::scope::RuleChoice;
use crate::RouteKind;

/// The parsed configuration of one Rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The routes named, each once, by kind and in the order in which they are named.
    pub routes: Vec<RouteTarget>,
    /// Selectors that find more routes.
    pub selectors: Vec<RouteSelector>,
    /// The label that marks a route while a release is under way; [`None`] if it is switched off.
    pub in_progress_label: Option<Label>,
    /// The cookie that keeps users on the version they were drawn for; [`None`] draws for each request.
    pub affinity: Option<SessionAffinity>,
    /// Managed routes whose requests are told here rather than in the Rollout's steps.
    pub matches: Vec<RouteMatches>,
    /// Features of gateways that the user vouches for, whatever `GatewayClass.status.supportedFeatures` says.
    pub assumed: Vec<String>,
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl Label {
    /// The label that the Go plugin sets (`internal/defaults/defaults.go`).
    pub fn in_progress() -> Self {
        Self {
            key: "rollouts.argoproj.io/gatewayapi-canary".into(),
            value: "in-progress".into(),
        }
    }
}

impl Config {
    /// Reads one entry of `trafficRouting.plugins`.
    ///
    /// `path` is what errors call the entry, `rollout_namespace` where routes are looked for unless the entry says
    /// otherwise.
    ///
    /// # Errors
    /// On anything that is not understood; nothing is guessed or skipped.
    pub fn parse(path: &str, json: &[u8], rollout_namespace: &str) -> Result<Self, ConfigError> {
        let value: Value = serde_json::from_slice(json).map_err(|error| ConfigError::NotJson {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let mut fields = Fields::new(path.to_owned(), &value)?;
        let namespace = match fields.text("namespace")? {
            Some(namespace) => checked_namespace(fields.path_of("namespace"), namespace)?,
            None => rollout_namespace,
        };
        let Named {
            targets: routes,
            selectors,
            ..
        } = Named::parse(&mut fields, namespace)?;
        let in_progress_label = parse_label(&mut fields)?;
        let affinity_path = fields.path_of("sessionAffinity");
        let affinity = fields.value("sessionAffinity");
        let affinity = affinity
            .map(|value| SessionAffinity::parse(affinity_path.clone(), value))
            .transpose()?;
        let matches =
            RouteMatches::parse_all(&fields.path_of("managedRoutes"), fields.list("managedRoutes")?)?;
        let assumed = fields
            .strings("assumeFeatures")?
            .into_iter()
            .map(str::to_owned)
            .collect();
        fields.finish()?;

        if routes.is_empty() && selectors.is_empty() {
            return Err(ConfigError::NoRoutes {
                path: path.to_owned(),
            });
        }
        let mut kinds = routes
            .iter()
            .map(|target| target.key.kind)
            .chain(selectors.iter().map(|found| found.kind));
        if affinity.is_some() && kinds.all(|kind| kind != RouteKind::Http) {
            return Err(ConfigError::NoCookies { path: affinity_path });
        }
        Ok(Self {
            routes,
            selectors,
            in_progress_label,
            affinity,
            matches,
            assumed,
        })
    }

    /// Whether any named route takes header and mirror routes.
    pub fn carries_managed_routes(&self) -> bool {
        self.routes
            .iter()
            .any(|target| target.header_routes && target.key.kind.has_headers())
    }
}

fn parse_label(fields: &mut Fields<'_>) -> Result<Option<Label>, ConfigError> {
    let mut label = Label::in_progress();
    let disabled = fields.bool("disableInProgressLabel")?.unwrap_or(false);
    let key_path = fields.path_of("inProgressLabelKey");
    if let Some(key) = fields.text("inProgressLabelKey")? {
        label.key = selector::checked_key(&key_path, key)?.to_owned();
    }
    let value_path = fields.path_of("inProgressLabelValue");
    if let Some(value) = fields.text("inProgressLabelValue")? {
        label.value = selector::checked_value(&value_path, value)?.to_owned();
    }
    Ok((!disabled).then_some(label))
}

#[cfg(test)]
mod tests;
