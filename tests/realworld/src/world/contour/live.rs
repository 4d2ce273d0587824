//! How Contour names what its Envoy works with.

use serde_json::Value;

use crate::world::envoy_dump::Names;

/// The names of one HTTPRoute with one host name. Its routes are in the virtual host of that name, those with the most
/// conditions first. Clusters are called `<namespace>/<service>/<port>/<hash>` and their endpoints
/// `<namespace>/<service>/<port's name>` (`Clustername` of Contour's `internal/envoy/cluster.go`, `ClusterLoadAssignmentName`
/// of its `internal/xds/util.go`); what is longer than 60 bytes would be cut.
pub(super) struct ContourNames<'a>(pub(super) &'a Value);

impl ContourNames<'_> {
    fn namespace(&self) -> &str {
        self.0["metadata"]["namespace"].as_str().unwrap_or_default()
    }
}

impl Names for ContourNames<'_> {
    fn virtual_host(&self) -> String {
        let host = self.0["spec"]["hostnames"][0].as_str();
        host.unwrap_or_default().to_owned()
    }

    fn service<'c>(&self, cluster: &'c str) -> Option<&'c str> {
        let rest = cluster.strip_prefix(self.namespace())?.strip_prefix('/')?;
        rest.split('/').next()
    }

    fn has_endpoints(&self, cluster: &str, name: &str) -> bool {
        self.service(cluster) == self.service(name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_route_of_a_host_has_names_of_its_own() {
        let route =
            json!({"metadata": {"namespace": "a", "name": "shop"}, "spec": {"hostnames": ["shop.a.test"]}});
        let names = ContourNames(&route);
        assert_eq!(names.virtual_host(), "shop.a.test");
        let cluster = "a/shop-canary/80/da39a3ee5e";
        assert_eq!(names.service(cluster), Some("shop-canary"));
        assert_eq!(names.service("b/shop-canary/80/da39a3ee5e"), None);
        assert!(names.has_endpoints(cluster, "a/shop-canary/http"));
        assert!(!names.has_endpoints(cluster, "a/shop-stable/http"));
    }
}
