//! How Istio names what a sidecar works with.

use serde_json::Value;

use crate::world::envoy_dump::Names;

/// The names of one HTTPRoute. Its routes are, in the order of its rules, in the virtual host of the Service that it names
/// as its parent. Clusters are called `outbound|<port>||<service>.<namespace>.svc.cluster.local` (`BuildSubsetKey` of
/// Istio's `pilot/pkg/model/push_context.go`), and those of weight 0 are left out.
pub(super) struct IstioNames<'a>(pub(super) &'a Value);

impl IstioNames<'_> {
    fn domain(&self) -> String {
        let namespace = self.0["metadata"]["namespace"].as_str().unwrap_or_default();
        format!(".{namespace}.svc.cluster.local")
    }
}

impl Names for IstioNames<'_> {
    fn virtual_host(&self) -> String {
        let parent = &self.0["spec"]["parentRefs"][0];
        let service = parent["name"].as_str().unwrap_or_default();
        format!("{service}{}:{}", self.domain(), parent["port"])
    }

    fn service<'c>(&self, cluster: &'c str) -> Option<&'c str> {
        let (_, host) = cluster.split_once("||")?;
        host.strip_suffix(&self.domain())
    }

    fn has_endpoints(&self, cluster: &str, name: &str) -> bool {
        cluster == name
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_route_of_a_service_has_names_of_its_own() {
        let route = json!({"metadata": {"namespace": "a", "name": "shop"}, "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "shop", "port": 80}]}});
        let names = IstioNames(&route);
        assert_eq!(names.virtual_host(), "shop.a.svc.cluster.local:80");
        let service = |cluster| names.service(cluster);
        assert_eq!(
            service("outbound|80||shop-canary.a.svc.cluster.local"),
            Some("shop-canary")
        );
        assert_eq!(service("outbound|80||shop-canary.b.svc.cluster.local"), None);
    }
}
