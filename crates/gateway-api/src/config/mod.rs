//! What the user wrote under `trafficRouting.plugins`: which routes carry the Rollout's traffic.
//!
//! The fields are those of the Go plugin (`pkg/plugin/types.go` `GatewayAPITrafficRouting`), so a Rollout written for it
//! reads unchanged. Differences: an unknown field is an error, a name may carry its namespace (`other/route`), UDPRoutes
//! exist, and a route that is named twice counts once.

mod fields;
mod own;
mod selector;

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use self::fields::Fields;
pub use self::own::PluginName;
use crate::{RouteKey, RouteKind};

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

/// The parsed configuration of one Rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The routes named, each once, by kind and in the order in which they are named.
    pub routes: Vec<RouteTarget>,
    /// Selectors that find more routes.
    pub selectors: Vec<RouteSelector>,
    /// The label that marks a route while a release is under way; [`None`] if it is switched off.
    pub in_progress_label: Option<Label>,
}

/// A route that carries the Rollout's traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTarget {
    /// Which route.
    pub key: RouteKey,
    /// Whether `setHeaderRoute` and `setMirrorRoute` steps add rules to it.
    pub header_routes: bool,
}

/// Routes found by their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSelector {
    /// Their kind.
    pub kind: RouteKind,
    /// Their namespace.
    pub namespace: String,
    /// Value of the `labelSelector` parameter; empty selects everything.
    pub labels: String,
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

/// The fields of one kind of route.
struct KindFields {
    kind: RouteKind,
    one: &'static str,
    list: &'static str,
    selector: &'static str,
}

const KIND_FIELDS: [KindFields; 5] = [
    KindFields {
        kind: RouteKind::Http,
        one: "httpRoute",
        list: "httpRoutes",
        selector: "httpRouteSelector",
    },
    KindFields {
        kind: RouteKind::Grpc,
        one: "grpcRoute",
        list: "grpcRoutes",
        selector: "grpcRouteSelector",
    },
    KindFields {
        kind: RouteKind::Tcp,
        one: "tcpRoute",
        list: "tcpRoutes",
        selector: "tcpRouteSelector",
    },
    KindFields {
        kind: RouteKind::Tls,
        one: "tlsRoute",
        list: "tlsRoutes",
        selector: "tlsRouteSelector",
    },
    KindFields {
        kind: RouteKind::Udp,
        one: "udpRoute",
        list: "udpRoutes",
        selector: "udpRouteSelector",
    },
];

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
        let mut routes = Routes::default();
        let mut selectors = Vec::new();
        for KindFields {
            kind,
            one,
            list,
            selector,
        } in KIND_FIELDS
        {
            let list_path = fields.path_of(list);
            for (index, entry) in fields.list(list)?.iter().enumerate() {
                routes.add(parse_list_entry(
                    kind,
                    namespace,
                    format!("{list_path}[{index}]"),
                    entry,
                )?);
            }
            let one_path = fields.path_of(one);
            if let Some(name) = fields.text(one)? {
                // Go: `insertGatewayAPIRouteLists` appends the single route to the list, with header routes.
                routes.add(RouteTarget {
                    key: parse_key(kind, namespace, one_path, name)?,
                    header_routes: true,
                });
            }
            let selector_path = fields.path_of(selector);
            if let Some(value) = fields.value(selector) {
                let labels = selector::parse(selector_path, value)?;
                selectors.push(RouteSelector {
                    kind,
                    namespace: namespace.to_owned(),
                    labels,
                });
            }
        }
        let in_progress_label = parse_label(&mut fields)?;
        fields.finish()?;

        let routes = routes.into_targets();
        if routes.is_empty() && selectors.is_empty() {
            return Err(ConfigError::NoRoutes {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            routes,
            selectors,
            in_progress_label,
        })
    }
}

impl Config {
    /// Whether any named route takes header and mirror routes.
    pub fn carries_managed_routes(&self) -> bool {
        self.routes
            .iter()
            .any(|target| target.header_routes && target.key.kind.has_headers())
    }
}

/// Routes in order, each once.
#[derive(Default)]
struct Routes {
    targets: Vec<RouteTarget>,
    places: BTreeMap<RouteKey, usize>,
}

impl Routes {
    fn add(&mut self, target: RouteTarget) {
        match self.places.get(&target.key) {
            Some(&place) => self.targets[place].header_routes |= target.header_routes,
            None => {
                self.places.insert(target.key.clone(), self.targets.len());
                self.targets.push(target);
            }
        }
    }

    fn into_targets(self) -> Vec<RouteTarget> {
        self.targets
    }
}

fn parse_list_entry(
    kind: RouteKind,
    namespace: &str,
    path: String,
    entry: &Value,
) -> Result<RouteTarget, ConfigError> {
    let mut fields = Fields::new(path, entry)?;
    let name_path = fields.path_of("name");
    let name = fields.text("name")?.ok_or_else(|| ConfigError::Missing {
        path: name_path.clone(),
    })?;
    let namespace = match fields.text("namespace")? {
        Some(namespace) => checked_namespace(fields.path_of("namespace"), namespace)?,
        None => namespace,
    };
    let header_routes = fields.bool("useHeaderRoutes")?.unwrap_or(false);
    fields.finish()?;
    Ok(RouteTarget {
        key: parse_key(kind, namespace, name_path, name)?,
        header_routes,
    })
}

/// `route` or `namespace/route`.
fn parse_key(kind: RouteKind, namespace: &str, path: String, name: &str) -> Result<RouteKey, ConfigError> {
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (checked_namespace(path.clone(), namespace)?, name),
        None => (namespace, name),
    };
    match is_dns_subdomain(name) {
        true => Ok(RouteKey {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        false => Err(ConfigError::Invalid {
            path,
            value: format!("{name:?}"),
            accepted: "the name of a route, or namespace/name",
        }),
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

fn checked_namespace(path: String, namespace: &str) -> Result<&str, ConfigError> {
    match namespace.len() <= 63 && !namespace.contains('.') && is_dns_subdomain(namespace) {
        true => Ok(namespace),
        false => Err(ConfigError::Invalid {
            path,
            value: format!("{namespace:?}"),
            accepted: "the name of a namespace",
        }),
    }
}

/// RFC 1123 subdomain, as object names are. What is let through can stand in a URL as it is.
fn is_dns_subdomain(name: &str) -> bool {
    let part_fits = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        part.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && edge(part.chars().next())
            && edge(part.chars().next_back())
    };
    name.len() <= 253 && name.split('.').all(part_fits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<Config, ConfigError> {
        Config::parse("plugins.gw", value.to_string().as_bytes(), "shop")
    }

    fn routes(value: Value) -> Vec<String> {
        let config = parse(value).unwrap();
        config
            .routes
            .iter()
            .map(|target| {
                format!(
                    "{}{}",
                    target.key,
                    if target.header_routes { " +headers" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn the_go_plugins_fields_name_routes() {
        assert_eq!(
            routes(json!({"httpRoute": "web"})),
            ["HTTPRoute shop/web +headers"]
        );
        assert_eq!(
            routes(
                json!({"namespace": "edge", "httpRoute": "web", "grpcRoutes": [{"name": "api", "useHeaderRoutes": true}],
                "tcpRoute": "db", "tlsRoutes": [{"name": "mail"}], "httpRoutes": null})
            ),
            [
                "HTTPRoute edge/web +headers",
                "GRPCRoute edge/api +headers",
                "TCPRoute edge/db +headers",
                "TLSRoute edge/mail"
            ]
        );
        assert_eq!(
            routes(json!({"httpRoutes": [{"name": "a"}, {"name": "b", "useHeaderRoutes": false}]})),
            ["HTTPRoute shop/a", "HTTPRoute shop/b"]
        );
    }

    #[test]
    fn routes_may_lie_in_several_namespaces_and_count_once() {
        assert_eq!(
            routes(json!({"httpRoute": "other/web", "httpRoutes": [
                {"name": "web"}, {"name": "web", "namespace": "other"}, {"name": "shop/web", "useHeaderRoutes": true}],
                "udpRoute": "dns"})),
            [
                "HTTPRoute shop/web +headers",
                "HTTPRoute other/web +headers",
                "UDPRoute shop/dns +headers"
            ]
        );
    }

    #[test]
    fn labels_have_defaults() {
        let label = |value| {
            parse(value)
                .unwrap()
                .in_progress_label
                .map(|label| format!("{}={}", label.key, label.value))
        };
        assert_eq!(
            label(json!({"httpRoute": "web"})).as_deref(),
            Some("rollouts.argoproj.io/gatewayapi-canary=in-progress")
        );
        assert_eq!(
            label(json!({"httpRoute": "web", "inProgressLabelKey": "a/b", "inProgressLabelValue": "c"}))
                .as_deref(),
            Some("a/b=c")
        );
        assert_eq!(
            label(json!({"httpRoute": "web", "disableInProgressLabel": true})),
            None
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let cases = [
            (json!({}), "plugins.gw names no route: at least one of httpRoute"),
            (json!({"httpRoute": ""}), "names no route"),
            (json!("web"), "plugins.gw must be an object, found \"web\""),
            (
                json!({"httpRoute": ["web"]}),
                "plugins.gw.httpRoute must be a string, found [\"web\"]",
            ),
            (
                json!({"httpRoutee": "web"}),
                "plugins.gw.httpRoutee is not a known field, did you mean httpRoute?",
            ),
            (json!({"HTTPRoute": "web"}), "did you mean httpRoute?"),
            (
                json!({"gateway": "web"}),
                "plugins.gw.gateway is not a known field, known are namespace, httpRoutes",
            ),
            (
                json!({"httpRoutes": "web"}),
                "plugins.gw.httpRoutes must be a list, found \"web\"",
            ),
            (
                json!({"httpRoutes": ["web"]}),
                "plugins.gw.httpRoutes[0] must be an object, found \"web\"",
            ),
            (
                json!({"httpRoutes": [{"useHeaderRoutes": true}]}),
                "plugins.gw.httpRoutes[0].name is missing",
            ),
            (
                json!({"httpRoutes": [{"name": "a"}, {"name": "b", "useHeaderRoute": true}]}),
                "plugins.gw.httpRoutes[1].useHeaderRoute is not a known field, did you mean useHeaderRoutes?",
            ),
            (
                json!({"httpRoute": "Web"}),
                "plugins.gw.httpRoute is \"Web\", accepted is the name of a route",
            ),
            (
                json!({"httpRoute": "../secrets/x"}),
                "plugins.gw.httpRoute is \"..\"",
            ),
            (
                json!({"httpRoute": "web", "namespace": "a/b"}),
                "plugins.gw.namespace is \"a/b\"",
            ),
            (
                json!({"httpRoute": "web", "inProgressLabelKey": "a b"}),
                "plugins.gw.inProgressLabelKey is \"a b\"",
            ),
            (
                json!({"httpRoute": "web", "disableInProgressLabel": "yes"}),
                "must be true or false, found \"yes\"",
            ),
        ];
        for (value, expected) in cases {
            let error = parse(value.clone()).unwrap_err().to_string();
            assert!(error.contains(expected), "{value}: {error}");
        }
        let error = Config::parse("plugins.gw", b"{", "shop").unwrap_err().to_string();
        assert!(error.starts_with("plugins.gw is not valid JSON: EOF"), "{error}");
    }

    #[test]
    fn a_long_value_is_cut_in_the_message() {
        let error = parse(json!({"httpRoute": vec!["ü".repeat(50); 3]}))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with('…') && error.chars().count() < 140, "{error}");
    }
}
