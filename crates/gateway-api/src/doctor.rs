//! `doctor`: whether a cluster, and one Rollout in it, is ready for releases. It reads and writes nothing.
//!
//! This file asks the API server; [`judge`] makes sentences of its answers.

mod judge;

use rollouts_plugin::types::Rollout;
use serde_json::{Value, json};

pub(crate) use self::judge::{Finding, Level};
use crate::apply::{Api, ApiError, Applier, Limits};
use crate::config::{Config, PluginName};
use crate::preview;
use crate::{GROUP, RouteKey, RouteKind};

/// What to examine.
pub(crate) struct Patient {
    /// Where the Rollout is.
    pub(crate) namespace: String,
    /// Its name; without one only the cluster is examined.
    pub(crate) rollout: Option<String>,
    /// Whose rights to check: namespace and name of a service account; one's own without.
    pub(crate) service_account: Option<(String, String)>,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Diagnosis {
    /// In the order in which it was looked at.
    pub(crate) findings: Vec<Finding>,
    /// What belongs into the Argo CD Application, as YAML.
    pub(crate) ignore_differences: Option<String>,
}

/// Examines the cluster of the environment.
pub(crate) async fn examine(api: Api, name: &PluginName, patient: &Patient) -> Diagnosis {
    let applier = Applier::without_watches(api, Limits::default());
    let mut doctor = Doctor {
        api: applier.api(),
        patient,
        diagnosis: Diagnosis::default(),
    };
    if doctor.reaches().await {
        let kinds = doctor.rollout(&applier, name).await;
        doctor.versions(&kinds).await;
        doctor.rights(&kinds).await;
    }
    doctor.diagnosis
}

struct Doctor<'a> {
    api: &'a Api,
    patient: &'a Patient,
    diagnosis: Diagnosis,
}

impl Doctor<'_> {
    fn note(&mut self, finding: impl IntoIterator<Item = Finding>) {
        self.diagnosis.findings.extend(finding);
    }

    async fn reaches(&mut self) -> bool {
        let version = self.api.get("/version".to_owned()).await;
        let finding = judge::reached(&version);
        self.note([finding]);
        version.is_ok()
    }

    /// Everything about the Rollout; answers the kinds of its routes.
    async fn rollout(&mut self, applier: &Applier, name: &PluginName) -> Vec<RouteKind> {
        let all = vec![RouteKind::Http];
        let Some(rollout) = &self.patient.rollout else {
            return all;
        };
        let namespace = &self.patient.namespace;
        let path = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{rollout}");
        let mut object = match self.api.get(path).await {
            Ok(object) => object,
            Err(error) => {
                self.note([judge::unreadable(
                    &format!("Rollout {namespace}/{rollout}"),
                    &error,
                )]);
                return all;
            }
        };
        object["kind"] = "Rollout".into();
        let typed: Rollout = match serde_json::from_value(object.clone()) {
            Ok(typed) => typed,
            Err(error) => {
                self.note([Finding::bad(format!(
                    "Rollout {namespace}/{rollout} cannot be read: {error}"
                ))]);
                return all;
            }
        };
        let config = name
            .entry(&typed)
            .and_then(|(path, json)| Config::parse(&path, json.as_bytes(), namespace));
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                self.note([Finding::bad(error.to_string())]);
                return all;
            }
        };
        self.note([Finding::good(format!(
            "Rollout {}: its configuration is understood",
            typed.key()
        ))]);
        self.services(&typed).await;
        let mut keys = config
            .routes
            .iter()
            .map(|target| target.key.clone())
            .collect::<Vec<_>>();
        for selector in &config.selectors {
            match applier.select(selector, applier.deadline()).await {
                Ok(found) => keys.extend(found),
                Err(error) => self.note([Finding::bad(error.to_string())]),
            }
        }
        keys.sort();
        keys.dedup();
        let mut objects = vec![object];
        for key in &keys {
            match self.api.route(key).await {
                Ok(mut route) => {
                    route["kind"] = key.kind.name().into();
                    self.route(key, &route, &typed).await;
                    objects.push(route);
                }
                Err(error) => self.note([judge::unreadable(&key.to_string(), &error)]),
            }
        }
        if objects.len() == keys.len() + 1 {
            self.release(name, &objects, &keys);
        }
        let mut kinds = keys.iter().map(|key| key.kind).collect::<Vec<_>>();
        kinds.dedup();
        if kinds.is_empty() { all } else { kinds }
    }

    async fn services(&mut self, rollout: &Rollout) {
        for service in judge::services(rollout) {
            let ports = self
                .api
                .service_ports(&rollout.metadata.namespace, &service)
                .await;
            let finding = judge::service(&rollout.metadata.namespace, &service, &ports);
            self.note([finding]);
        }
    }

    async fn route(&mut self, key: &RouteKey, route: &Value, rollout: &Rollout) {
        self.note(judge::reports(key, route));
        for (namespace, service) in judge::foreign_services(key, route) {
            let path = format!("/apis/{GROUP}/v1beta1/namespaces/{namespace}/referencegrants");
            let grants = self.api.get(path).await;
            let finding = judge::grant(key, &namespace, &service, &grants);
            self.note([finding]);
        }
        for (namespace, gateway) in judge::gateways(key, route) {
            let path = format!("/apis/{GROUP}/v1/namespaces/{namespace}/gateways/{gateway}");
            let found = self.api.get(path).await;
            let class = match &found {
                Ok(found) => {
                    let class = found["spec"]["gatewayClassName"].as_str().unwrap_or_default();
                    self.api
                        .get(format!("/apis/{GROUP}/v1/gatewayclasses/{class}"))
                        .await
                }
                Err(error) => {
                    self.note([judge::unreadable(
                        &format!("Gateway {namespace}/{gateway}"),
                        error,
                    )]);
                    continue;
                }
            };
            let findings = judge::class(&format!("Gateway {namespace}/{gateway}"), &class, rollout);
            self.note(findings);
        }
    }

    /// A whole release, played on paper.
    fn release(&mut self, name: &PluginName, objects: &[Value], keys: &[RouteKey]) {
        let mut objects = objects.to_vec();
        judge::name_routes(&mut objects[0], name, keys);
        match preview::preview(name, &objects) {
            Err(error) => self.note([Finding::bad(error.to_string())]),
            Ok(stages) => {
                self.note(judge::release(&stages));
                self.diagnosis.ignore_differences = Some(judge::ignore_differences(&stages));
            }
        }
    }

    async fn versions(&mut self, kinds: &[RouteKind]) {
        let mut lists = Vec::new();
        for version in ["v1", "v1beta1", "v1alpha3", "v1alpha2"] {
            if let Ok(list) = self.api.get(format!("/apis/{GROUP}/{version}")).await {
                lists.push((version, list));
            }
        }
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/httproutes.{GROUP}");
        let definition = self.api.get(path).await.ok();
        self.note(
            kinds
                .iter()
                .map(|kind| judge::versions(*kind, &lists))
                .collect::<Vec<_>>(),
        );
        self.note(definition.as_ref().and_then(judge::bundle));
    }

    async fn rights(&mut self, kinds: &[RouteKind]) {
        let namespace = self.patient.namespace.clone();
        for right in judge::rights(kinds, &namespace) {
            let allowed = self.may(&right).await;
            let finding = judge::right(&right, &allowed);
            self.note([finding]);
        }
    }

    async fn may(&self, right: &judge::Right) -> Result<bool, ApiError> {
        let mut spec = json!({"resourceAttributes": {"verb": right.verb, "group": right.group, "resource": right.resource,
            "namespace": right.namespace}});
        let resource = match &self.patient.service_account {
            None => "SelfSubjectAccessReview",
            Some((namespace, name)) => {
                spec["user"] = format!("system:serviceaccount:{namespace}:{name}").into();
                spec["groups"] = json!([
                    "system:serviceaccounts",
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated"
                ]);
                "SubjectAccessReview"
            }
        };
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": resource, "spec": spec});
        let path = format!("/apis/authorization.k8s.io/v1/{}s", resource.to_lowercase());
        let answer = self.api.post(path, &review).await?;
        Ok(answer["status"]["allowed"] == true)
    }
}
