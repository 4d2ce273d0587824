//! What the controller asks of a traffic router.

use std::fmt;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A Service that gets a share (`v1alpha1.WeightDestination`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightDestination {
    /// Share of `maxTrafficWeight`.
    pub weight: i32,
    /// The Service.
    pub service_name: String,
    /// The pods behind it.
    pub pod_template_hash: String,
}

/// One call. The Rollout travels beside it.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// `Type`: for a line in the controller's log.
    Type,
    /// `RemoveManagedRoutes`
    RemoveManagedRoutes,
    /// `SetHeaderRoute`, with the step's content.
    SetHeaderRoute(Value),
    /// `SetMirrorRoute`, with the step's content.
    SetMirrorRoute(Value),
    /// `UpdateHash`
    UpdateHash {
        /// Of the canary.
        canary: String,
        /// Of the stable version.
        stable: String,
    },
    /// `SetWeight`
    SetWeight(i32),
    /// `VerifyWeight`
    VerifyWeight(i32),
}

/// What a router answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The call succeeded.
    Done,
    /// To [`Call::Type`].
    Kind(String),
    /// To [`Call::VerifyWeight`]: `None` is `NotImplemented`.
    Verified(Option<bool>),
}

/// A call that failed: the plugin's own `RpcError`, or the connection's end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CallError(pub String);

/// A traffic router, as the controller sees one. `rollout` is the whole object, spec and status.
pub trait Router: Send + Sync {
    /// Makes one call.
    fn call<'a>(&'a self, rollout: &'a Value, call: &'a Call) -> BoxFuture<'a, Result<Answer, CallError>>;
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |route: &Value| route["name"].as_str().unwrap_or_default().to_owned();
        match self {
            Self::Type => f.write_str("Type"),
            Self::RemoveManagedRoutes => f.write_str("RemoveManagedRoutes"),
            Self::SetHeaderRoute(route) => write!(f, "SetHeaderRoute {}", name(route)),
            Self::SetMirrorRoute(route) => write!(f, "SetMirrorRoute {}", name(route)),
            Self::UpdateHash { canary, stable } => write!(f, "UpdateHash {canary} {stable}"),
            Self::SetWeight(weight) => write!(f, "SetWeight {weight}"),
            Self::VerifyWeight(weight) => write!(f, "VerifyWeight {weight}"),
        }
    }
}
