//! The kinds the stage serves, and the paths they are served under.

/// One kind as the API server knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Served versions, the stored (and preferred) one first.
    pub versions: &'static [&'static str],
    /// Plural name, as in the path.
    pub plural: &'static str,
    /// Kind, as in the object.
    pub kind: &'static str,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether `/status` is a resource of its own, which also means that the main one counts `generation`.
    pub status: bool,
}

impl Resource {
    /// `httproutes.gateway.networking.k8s.io`, or just `services` in the core group.
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `gateway.networking.k8s.io/v1`, or just `v1` in the core group.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }
}

const GATEWAY: &str = "gateway.networking.k8s.io";

/// Everything a traffic router touches or may ask for. Versions are those of Gateway API 1.6's standard channel.
pub static RESOURCES: &[Resource] = &[
    Resource {
        group: "",
        versions: &["v1"],
        plural: "namespaces",
        kind: "Namespace",
        namespaced: false,
        status: false,
    },
    Resource {
        group: "",
        versions: &["v1"],
        plural: "services",
        kind: "Service",
        namespaced: true,
        status: false,
    },
    Resource {
        group: "",
        versions: &["v1"],
        plural: "events",
        kind: "Event",
        namespaced: true,
        status: false,
    },
    Resource {
        group: "",
        versions: &["v1"],
        plural: "configmaps",
        kind: "ConfigMap",
        namespaced: true,
        status: false,
    },
    Resource {
        group: "discovery.k8s.io",
        versions: &["v1"],
        plural: "endpointslices",
        kind: "EndpointSlice",
        namespaced: true,
        status: false,
    },
    Resource {
        group: "events.k8s.io",
        versions: &["v1"],
        plural: "events",
        kind: "Event",
        namespaced: true,
        status: false,
    },
    Resource {
        group: "apiextensions.k8s.io",
        versions: &["v1"],
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
        namespaced: false,
        status: false,
    },
    Resource {
        group: "argoproj.io",
        versions: &["v1alpha1"],
        plural: "rollouts",
        kind: "Rollout",
        namespaced: true,
        status: true,
    },
    Resource {
        group: GATEWAY,
        versions: &["v1", "v1beta1"],
        plural: "gatewayclasses",
        kind: "GatewayClass",
        namespaced: false,
        status: true,
    },
    Resource {
        group: GATEWAY,
        versions: &["v1", "v1beta1"],
        plural: "gateways",
        kind: "Gateway",
        namespaced: true,
        status: true,
    },
    Resource {
        group: GATEWAY,
        versions: &["v1", "v1beta1"],
        plural: "httproutes",
        kind: "HTTPRoute",
        namespaced: true,
        status: true,
    },
    Resource {
        group: GATEWAY,
        versions: &["v1beta1"],
        plural: "referencegrants",
        kind: "ReferenceGrant",
        namespaced: true,
        status: false,
    },
];

/// The resource of that group and plural name, if the stage serves it.
pub fn find(group: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|r| r.group == group && r.plural == plural)
}

/// The resource of an object's `apiVersion` and `kind`, and the version named there.
pub fn of_object(api_version: &str, kind: &str) -> Option<(&'static Resource, &'static str)> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = RESOURCES.iter().find(|r| r.group == group && r.kind == kind)?;
    Some((resource, resource.versions.iter().find(|v| **v == version)?))
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// `/version`
    Version,
    /// `/healthz`, `/livez`, `/readyz`
    Health,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/<group>`
    Group(String),
    /// `/api/v1`, `/apis/<group>/<version>`
    Resources {
        /// API group.
        group: String,
        /// Its version.
        version: &'static str,
    },
    /// `POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews`
    AccessReview,
    /// Objects of a kind, in one namespace or in all.
    Collection {
        /// The kind.
        resource: &'static Resource,
        /// The version asked for, and answered in.
        version: &'static str,
        /// `None`: every namespace.
        namespace: Option<String>,
    },
    /// One object, or its status.
    Object {
        /// The kind.
        resource: &'static Resource,
        /// The version asked for, and answered in.
        version: &'static str,
        /// Empty for a cluster-scoped kind.
        namespace: String,
        /// The object's name.
        name: String,
        /// `/status` was asked for.
        status: bool,
    },
}

/// Reads a request path. `None` means that nothing is served there: the API server then answers `404 page not found`
/// as plain text, which is how a client tells a version that is not served from an object that is not there.
pub fn parse_path(path: &str) -> Option<Target> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["version"] => return Some(Target::Version),
        ["healthz" | "livez" | "readyz", ..] => return Some(Target::Health),
        ["api"] => return Some(Target::CoreVersions),
        ["apis"] => return Some(Target::Groups),
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group] => {
            return RESOURCES
                .iter()
                .any(|r| r.group == *group)
                .then(|| Target::Group((*group).to_owned()));
        }
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => {
            return Some(Target::AccessReview);
        }
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    if rest.is_empty() {
        let version = served(group, version)?;
        return Some(Target::Resources {
            group: group.to_owned(),
            version,
        });
    }
    let (namespace, rest) = match rest {
        ["namespaces", ns, plural, rest @ ..] => (Some((*ns).to_owned()), [&[*plural], rest].concat()),
        rest => (None, rest.to_vec()),
    };
    let resource = find(group, rest[0])?;
    let version = resource.versions.iter().copied().find(|v| *v == version)?;
    if namespace.is_some() && !resource.namespaced {
        return None;
    }
    match rest.as_slice() {
        [_] => Some(Target::Collection {
            resource,
            version,
            namespace,
        }),
        [_, name, sub @ ..] => {
            let status = match sub {
                [] => false,
                ["status"] if resource.status => true,
                _ => return None,
            };
            if namespace.is_none() && resource.namespaced {
                return None;
            }
            let namespace = namespace.unwrap_or_default();
            Some(Target::Object {
                resource,
                version,
                namespace,
                name: (*name).to_owned(),
                status,
            })
        }
        [] => None,
    }
}

fn served(group: &str, version: &str) -> Option<&'static str> {
    RESOURCES
        .iter()
        .filter(|r| r.group == group)
        .flat_map(|r| r.versions)
        .copied()
        .find(|v| *v == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let httproutes = find(GATEWAY, "httproutes").unwrap();
        let object = |version, status| {
            Some(Target::Object {
                resource: httproutes,
                version,
                namespace: "shop".into(),
                name: "web".into(),
                status,
            })
        };
        let cases = [
            ("/version", Some(Target::Version)),
            ("/readyz/ping", Some(Target::Health)),
            ("/api", Some(Target::CoreVersions)),
            ("/apis/", Some(Target::Groups)),
            (
                "/apis/gateway.networking.k8s.io",
                Some(Target::Group(GATEWAY.into())),
            ),
            ("/apis/networking.istio.io", None),
            (
                "/apis/gateway.networking.k8s.io/v1",
                Some(Target::Resources {
                    group: GATEWAY.into(),
                    version: "v1",
                }),
            ),
            ("/apis/gateway.networking.k8s.io/v1alpha2", None),
            (
                "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web",
                object("v1", false),
            ),
            (
                "/apis/gateway.networking.k8s.io/v1beta1/namespaces/shop/httproutes/web/status",
                object("v1beta1", true),
            ),
            (
                "/apis/gateway.networking.k8s.io/v1alpha2/namespaces/shop/httproutes/web",
                None,
            ),
            (
                "/apis/gateway.networking.k8s.io/v1/namespaces/shop/tcproutes/web",
                None,
            ),
            ("/apis/gateway.networking.k8s.io/v1/httproutes/web", None),
            (
                "/apis/gateway.networking.k8s.io/v1/httproutes",
                Some(Target::Collection {
                    resource: httproutes,
                    version: "v1",
                    namespace: None,
                }),
            ),
            (
                "/api/v1/namespaces/shop",
                Some(Target::Object {
                    resource: find("", "namespaces").unwrap(),
                    version: "v1",
                    namespace: String::new(),
                    name: "shop".into(),
                    status: false,
                }),
            ),
            ("/api/v1/namespaces/shop/services/web/status", None),
            (
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                Some(Target::AccessReview),
            ),
            ("/", None),
        ];
        for (path, want) in cases {
            assert_eq!(parse_path(path), want, "{path}");
        }
    }
}
