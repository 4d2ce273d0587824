//! Which routes an entry names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::Fields;
use super::{ConfigError, RuleChoice, selector};
use crate::{RouteKey, RouteKind};

/// A route that carries the Rollout's traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTarget {
    /// Which route.
    pub key: RouteKey,
    /// Whether `setHeaderRoute` and `setMirrorRoute` steps add rules to it.
    pub header_routes: bool,
    /// The rules that are the Rollout's; empty where all are that have both Services.
    pub rules: Vec<RuleChoice>,
}

impl RouteTarget {
    /// A route whose rules with both Services are all the Rollout's.
    pub fn new(key: RouteKey, header_routes: bool) -> Self {
        Self {
            key,
            header_routes,
            rules: Vec::new(),
        }
    }
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

/// What an entry says about routes.
#[derive(Default)]
pub(super) struct Named {
    pub(super) targets: Vec<RouteTarget>,
    pub(super) selectors: Vec<RouteSelector>,
    places: BTreeMap<RouteKey, usize>,
}

impl Named {
    /// Takes the fields of all kinds.
    pub(super) fn parse(fields: &mut Fields<'_>, namespace: &str) -> Result<Self, ConfigError> {
        let mut named = Self::default();
        for KindFields {
            kind,
            one,
            one_rule,
            list,
            selector,
        } in KIND_FIELDS
        {
            let list_path = fields.path_of(list);
            for (index, entry) in fields.list(list)?.iter().enumerate() {
                named.add(parse_list_entry(
                    kind,
                    namespace,
                    format!("{list_path}[{index}]"),
                    entry,
                )?);
            }
            let one_path = fields.path_of(one);
            let rule_path = fields.path_of(one_rule);
            let rule = fields.text(one_rule)?;
            match (fields.text(one)?, rule) {
                // Go: `insertGatewayAPIRouteLists` appends the single route to the list, with header routes.
                (Some(name), rule) => named.add(RouteTarget {
                    key: parse_key(kind, namespace, one_path, name)?,
                    header_routes: true,
                    rules: rule
                        .map(|name| RuleChoice::Name(name.to_owned()))
                        .into_iter()
                        .collect(),
                }),
                (None, None) => {}
                (None, Some(rule)) => {
                    return Err(ConfigError::Invalid {
                        path: rule_path,
                        value: format!("{rule:?}"),
                        accepted: "the name of a rule beside the one route it is a rule of",
                    });
                }
            }
            let selector_path = fields.path_of(selector);
            if let Some(value) = fields.value(selector) {
                let labels = selector::parse(selector_path, value)?;
                named.selectors.push(RouteSelector {
                    kind,
                    namespace: namespace.to_owned(),
                    labels,
                });
            }
        }
        Ok(named)
    }

    /// Each route counts once.
    fn add(&mut self, target: RouteTarget) {
        match self.places.get(&target.key) {
            Some(&place) => {
                let known = &mut self.targets[place];
                known.header_routes |= target.header_routes;
                match known.rules.is_empty() || target.rules.is_empty() {
                    true => known.rules.clear(),
                    false => known.rules.extend(target.rules),
                }
            }
            None => {
                self.places.insert(target.key.clone(), self.targets.len());
                self.targets.push(target);
            }
        }
    }
}

/// The fields of one kind of route.
struct KindFields {
    kind: RouteKind,
    one: &'static str,
    one_rule: &'static str,
    list: &'static str,
    selector: &'static str,
}

const KIND_FIELDS: [KindFields; 5] = [
    KindFields {
        kind: RouteKind::Http,
        one: "httpRoute",
        one_rule: "httpRouteRuleName",
        list: "httpRoutes",
        selector: "httpRouteSelector",
    },
    KindFields {
        kind: RouteKind::Grpc,
        one: "grpcRoute",
        one_rule: "grpcRouteRuleName",
        list: "grpcRoutes",
        selector: "grpcRouteSelector",
    },
    KindFields {
        kind: RouteKind::Tcp,
        one: "tcpRoute",
        one_rule: "tcpRouteRuleName",
        list: "tcpRoutes",
        selector: "tcpRouteSelector",
    },
    KindFields {
        kind: RouteKind::Tls,
        one: "tlsRoute",
        one_rule: "tlsRouteRuleName",
        list: "tlsRoutes",
        selector: "tlsRouteSelector",
    },
    KindFields {
        kind: RouteKind::Udp,
        one: "udpRoute",
        one_rule: "udpRouteRuleName",
        list: "udpRoutes",
        selector: "udpRouteSelector",
    },
];

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
    let rules = RuleChoice::parse(&mut fields, kind)?;
    fields.finish()?;
    Ok(RouteTarget {
        key: parse_key(kind, namespace, name_path, name)?,
        header_routes,
        rules,
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

pub(super) fn checked_namespace(path: String, namespace: &str) -> Result<&str, ConfigError> {
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
pub(crate) fn is_dns_subdomain(name: &str) -> bool {
    let part_fits = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        part.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && edge(part.chars().next())
            && edge(part.chars().next_back())
    };
    name.len() <= 253 && name.split('.').all(part_fits)
}
