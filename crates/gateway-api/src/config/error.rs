//! What is wrong with a configuration.

use thiserror::Error;

/// Why a configuration cannot be used. The text names the field, what was found and what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The Rollout has no canary strategy, or none with traffic routing by plugins.
    #[error("spec.strategy.canary.trafficRouting.plugins is missing, this plugin has nothing to route")]
    NoPlugins,
    /// Several plugins are configured and nothing says which entry is this one's.
    #[error(
        "spec.strategy.canary.trafficRouting.plugins has the entries {found}, and none is known to be this plugin's: \
         give it its registered name by the argument --plugin-name"
    )]
    NotFound {
        /// Names of the entries.
        found: String,
    },
    /// The entry is not JSON.
    #[error("{path} is not valid JSON: {message}")]
    NotJson {
        /// Where.
        path: String,
        /// What the parser says.
        message: String,
    },
    /// A field of another type.
    #[error("{path} must be {expected}, found {found}")]
    WrongType {
        /// Where.
        path: String,
        /// What is accepted.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A field that does not exist.
    #[error("{path} is not a known field, {}", did_you_mean(*nearest, known))]
    UnknownField {
        /// Where.
        path: String,
        /// The nearest known field.
        nearest: Option<&'static str>,
        /// All fields known there.
        known: String,
    },
    /// A field without which the rest has no meaning.
    #[error("{path} is missing")]
    Missing {
        /// Where.
        path: String,
    },
    /// A value that is not accepted.
    #[error("{path} is {value}, accepted is {accepted}")]
    Invalid {
        /// Where.
        path: String,
        /// What was found.
        value: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// Cookies are HTTP's.
    #[error("{path} needs an HTTPRoute, the routes named are of other kinds")]
    NoCookies {
        /// Where.
        path: String,
    },
    /// No route at all.
    #[error(
        "{path} names no route: at least one of httpRoute, grpcRoute, tcpRoute, tlsRoute, udpRoute, their lists \
         (httpRoutes, …) or their selectors (httpRouteSelector, …) must be set"
    )]
    NoRoutes {
        /// Where.
        path: String,
    },
}

fn did_you_mean(nearest: Option<&str>, known: &str) -> String {
    match nearest {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known are {known}"),
    }
}
