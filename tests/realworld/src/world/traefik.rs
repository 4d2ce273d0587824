//! Traefik as the gateway.

use anyhow::{Context, Result};
use serde_json::Value;

use super::credentials::{ADMIN, API_SERVER};
use super::gateway::{GATEWAY_NAMESPACE, Gateway, LiveRoute};
use super::{Ground, control_plane};
use crate::cluster::{Address, Cluster, Kind};
use crate::process::Process;
use crate::traffic;
use crate::wait::Seen;

/// Where Traefik tells about itself.
const ADMINISTRATION: u16 = 8001;

/// The running gateway.
#[derive(Debug)]
pub struct Traefik {
    process: Process,
}

impl Traefik {
    pub(super) async fn start(ground: &Ground, cluster: &Cluster) -> Result<Self> {
        let provider = "--providers.kubernetesgateway";
        let process = ground
            .start(
                "traefik",
                &[
                    &format!("--entrypoints.web.address={}", Gateway::Traefik.address()),
                    &format!("--entrypoints.traefik.address=127.0.0.1:{ADMINISTRATION}"),
                    "--api.insecure=true",
                    // Its files are not part of the Go module.
                    "--api.dashboard=false",
                    "--ping=true",
                    "--global.checknewversion=false",
                    "--global.sendanonymoususage=false",
                    // How long it gathers changes before it applies them; the default of 2 s makes scenes slow.
                    "--providers.providersthrottleduration=200ms",
                    &format!("{provider}=true"),
                    &format!("{provider}.endpoint={API_SERVER}"),
                    &format!("{provider}.token={}", ADMIN.token),
                    &format!(
                        "{provider}.certauthfilepath={}",
                        ground.credentials.certificate().display()
                    ),
                ],
                &[],
            )
            .await?;
        // Traefik matches the ports of listeners and entry points.
        cluster
            .apply_all(
                "",
                &Gateway::Traefik.objects("traefik", "traefik.io/gateway-controller"),
            )
            .await?;
        let gateway = Address {
            kind: Kind::gateway(),
            namespace: GATEWAY_NAMESPACE,
            name: Gateway::Traefik.name(),
        };
        process
            .ready("Traefik to program the Gateway", async || {
                let status = cluster.read(&gateway).await?["status"].take();
                Ok(Seen::when(
                    control_plane::is_true(&status["conditions"], "Programmed"),
                    (),
                    || status.to_string(),
                ))
            })
            .await?;
        Ok(Self { process })
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All that Traefik tells about the configuration it works with, as JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn live(&self) -> Result<String> {
        Ok(
            traffic::fetch(&format!("http://127.0.0.1:{ADMINISTRATION}/api/rawdata"))
                .await?
                .1,
        )
    }

    /// What the data plane works with for an HTTPRoute, without services that get nothing.
    ///
    /// # Errors
    /// When Traefik does not answer, or in another form than 3.6 does.
    pub async fn live_route(&self, route: &Value) -> Result<LiveRoute> {
        let url = format!("http://127.0.0.1:{ADMINISTRATION}/api/http/services?per_page=10000");
        let (status, body) = traffic::fetch(&url).await?;
        let services: Value =
            serde_json::from_str(&body).with_context(|| format!("Traefik's API: {status} {body}"))?;
        let metadata = &route["metadata"];
        let live = parse(&services, text(metadata, "namespace"), text(metadata, "name"))?;
        Ok(live.without_idle())
    }
}

/// Reads Traefik's list of services. It names the weighted service of a rule
/// `httproute-<namespace>-<route>-…-wrr@kubernetesgateway`, and what that weighs
/// `<namespace>-<service>-http-<port>@kubernetesgateway`.
fn parse(services: &Value, namespace: &str, route: &str) -> Result<LiveRoute> {
    let services = services.as_array().context("Traefik's services are no list")?;
    let prefix = format!("httproute-{namespace}-{route}-");
    let mut live = LiveRoute::default();
    for rule in services
        .iter()
        .filter(|one| text(one, "name").starts_with(&prefix))
    {
        for backend in rule["weighted"]["services"].as_array().into_iter().flatten() {
            let name = text(backend, "name");
            let service = name.strip_prefix(&format!("{namespace}-")).unwrap_or(name);
            let service = service.split("-http-").next().unwrap_or_default().to_owned();
            *live.weights.entry(service.clone()).or_default() +=
                backend["weight"].as_u64().unwrap_or_default();
            let balancer = services
                .iter()
                .find(|one| text(one, "name").split('@').next() == Some(name));
            live.pods
                .entry(service)
                .or_default()
                .extend(balancer.into_iter().flat_map(pods_of));
        }
    }
    Ok(live)
}

/// The hosts of a load balancer's servers, without those that leave and get no new sessions.
fn pods_of(balancer: &Value) -> Vec<String> {
    let servers = balancer["loadBalancer"]["servers"]
        .as_array()
        .into_iter()
        .flatten();
    let staying = servers.filter(|server| server["fenced"] != true);
    staying
        .filter_map(|server| {
            http::Uri::try_from(text(server, "url"))
                .ok()?
                .host()
                .map(str::to_owned)
        })
        .collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_live_route_has_the_weights_of_its_rules_and_the_pods_that_stay() {
        let rule = |number: u32, canary: u64| {
            json!({
                "name": format!("httproute-a-shop-gw-gateway-system-gateway-ep-web-{number}-0123-wrr@kubernetesgateway"),
                "weighted": {"services": [
                    {"name": "a-shop-stable-http-80", "weight": 100 - canary}, {"name": "a-shop-canary-http-80", "weight": canary},
                ]},
            })
        };
        let balancer =
            |name: &str, servers: Value| json!({"name": name, "loadBalancer": {"servers": servers}});
        let services = json!([
            rule(0, 20), rule(1, 20),
            {"name": "httproute-a-shopping-x-wrr@kubernetesgateway", "weighted": {"services": [{"name": "a-other-http-80", "weight": 1}]}},
            balancer("a-shop-stable-http-80@kubernetesgateway", json!([
                {"url": "http://10.244.1.0:8080"}, {"url": "http://10.244.1.1:8080", "fenced": true},
            ])),
            balancer("a-shop-canary-http-80@kubernetesgateway", json!([{"url": "http://10.244.1.2:8080"}])),
        ]);
        let live = parse(&services, "a", "shop").unwrap();
        assert_eq!(
            live.weights,
            [("shop-canary".to_owned(), 40), ("shop-stable".to_owned(), 160)].into()
        );
        let pods = |address: &str| BTreeSet::from([address.to_owned()]);
        assert_eq!(
            live.pods,
            [
                ("shop-canary".to_owned(), pods("10.244.1.2")),
                ("shop-stable".to_owned(), pods("10.244.1.0"))
            ]
            .into()
        );
        assert_eq!(parse(&services, "b", "shop").unwrap(), LiveRoute::default());
    }
}
