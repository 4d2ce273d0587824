//! Which keys a metric is asked with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::secrets::Secrets;
use super::{Account, Failure};
use crate::config::{SecretRef, Site};

/// How long a Secret is remembered.
const LIFE: Duration = Duration::from_secs(60);
/// How often a Secret is read again because its keys were refused.
const REREAD: Duration = Duration::from_secs(5);
/// The Secret of the controller's namespace that is read where nothing is named. Go: `DatadogTokensSecretName`.
const DEFAULT_SECRET: &str = "datadog";

/// The environment's part, read once at the start.
#[derive(Clone, Default)]
pub struct Environment {
    /// `DD_API_KEY`.
    pub api_key: Option<String>,
    /// `DD_APP_KEY`, or `DD_APPLICATION_KEY`.
    pub app_key: Option<String>,
    /// `DD_ADDRESS`.
    pub address: Option<String>,
    /// `DD_SITE`.
    pub site: Option<String>,
    /// The controller's namespace.
    pub namespace: String,
}

impl Environment {
    /// Reads the process's environment. The namespace is found as the controller finds its own (Go:
    /// `utils/defaults.Namespace`): `POD_NAMESPACE`, the service account's file, `argo-rollouts`.
    pub fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        let file = || std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok();
        let namespace = text("POD_NAMESPACE")
            .or_else(file)
            .map(|text| text.trim().to_owned());
        Self {
            api_key: text("DD_API_KEY"),
            app_key: text("DD_APP_KEY").or_else(|| text("DD_APPLICATION_KEY")),
            address: text("DD_ADDRESS"),
            site: text("DD_SITE"),
            namespace: namespace
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| "argo-rollouts".to_owned()),
        }
    }
}

/// The Secrets that metrics may name: patterns `namespace/name` with `*`. An empty list allows all that RBAC allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(pub Vec<String>);

impl AllowList {
    /// Whether a metric may name this Secret.
    pub fn allows(&self, namespace: &str, name: &str) -> bool {
        let full = format!("{namespace}/{name}");
        self.0.is_empty() || self.0.iter().any(|pattern| matches(pattern, &full))
    }
}

/// `*` stands for any text without a slash.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => match text.strip_prefix(before) {
            None => false,
            Some(rest) => {
                let reach = rest.find('/').unwrap_or(rest.len());
                (0..=reach)
                    .filter(|end| rest.is_char_boundary(*end))
                    .any(|end| matches(after, &rest[end..]))
            }
        },
    }
}

/// Finds accounts, and remembers those of Secrets for a minute.
pub struct Credentials {
    environment: Environment,
    allowed: AllowList,
    secrets: Secrets,
    known: Mutex<HashMap<Name, Known>>,
    reading: tokio::sync::Mutex<()>,
}

type Name = (String, String);

#[derive(Clone)]
struct Known {
    read_at: Instant,
    account: Result<Parts, Failure>,
}

/// What a Secret says, before a metric's own `site` is applied.
#[derive(Clone, PartialEq)]
struct Parts {
    api_key: String,
    app_key: String,
    address: Option<String>,
    site: Option<String>,
}

impl Credentials {
    /// Credentials from an environment and the cluster's Secrets.
    pub fn new(environment: Environment, allowed: AllowList) -> Self {
        Self {
            environment,
            allowed,
            secrets: Secrets::default(),
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The account of a metric (Go: `findCredentials`): the Secret it names, and only this; else the environment, else
    /// the Secret `datadog` in the controller's namespace.
    ///
    /// # Errors
    /// What is missing and where.
    pub async fn account(
        &self,
        wanted: Option<&SecretRef>,
        site: Option<Site>,
        namespace: &str,
    ) -> Result<Arc<Account>, Failure> {
        if wanted.is_none()
            && let (Some(api_key), Some(app_key)) = (&self.environment.api_key, &self.environment.app_key)
        {
            let parts = Parts {
                api_key: api_key.clone(),
                app_key: app_key.clone(),
                address: self.environment.address.clone(),
                site: None,
            };
            return self.build(&parts, site, "environment variables DD_API_KEY, DD_APP_KEY");
        }
        let name = self.name(wanted, namespace);
        if wanted.is_some() && !self.allowed.allows(&name.0, &name.1) {
            return Err(Failure::Refused(format!(
                "secretRef.name: Secret {}/{} is not on the operator's list (--allowed-secrets)",
                name.0, name.1
            )));
        }
        let parts = self.parts(&name, LIFE).await.map_err(|failure| match failure {
            Failure::Refused(why) if wanted.is_none() => Failure::Refused(format!(
                "{why}; set secretRef.name, or DD_API_KEY and DD_APP_KEY of the controller"
            )),
            other => other,
        })?;
        self.build(&parts, site, &format!("Secret {}/{}", name.0, name.1))
    }

    /// The account again after its keys were refused, with the Secret read anew; [`None`] where nothing has changed.
    pub async fn changed(
        &self,
        refused: &Account,
        wanted: Option<&SecretRef>,
        site: Option<Site>,
        namespace: &str,
    ) -> Option<Arc<Account>> {
        if wanted.is_none() && self.environment.api_key.is_some() && self.environment.app_key.is_some() {
            return None;
        }
        let name = self.name(wanted, namespace);
        // Many metrics share a Secret: whoever comes second finds what the first has read.
        let parts = match self.remembered(&name, LIFE) {
            Some(Ok(parts))
                if parts.api_key.trim() != refused.api_key || parts.app_key.trim() != refused.app_key =>
            {
                parts
            }
            _ => self.parts(&name, REREAD).await.ok()?,
        };
        let account = self.build(&parts, site, &refused.origin).ok()?;
        (*account != *refused).then_some(account)
    }

    fn name(&self, wanted: Option<&SecretRef>, namespace: &str) -> Name {
        match wanted {
            Some(SecretRef {
                name,
                namespaced: true,
            }) => (namespace.to_owned(), name.clone()),
            Some(SecretRef {
                name,
                namespaced: false,
            }) => (self.environment.namespace.clone(), name.clone()),
            None => (self.environment.namespace.clone(), DEFAULT_SECRET.to_owned()),
        }
    }

    fn build(&self, parts: &Parts, site: Option<Site>, origin: &str) -> Result<Arc<Account>, Failure> {
        let named = parts.site.as_deref().map(|text| (origin, text)).or(self
            .environment
            .site
            .as_deref()
            .map(|text| ("DD_SITE", text)));
        let site = match (site, named) {
            (Some(site), _) => Some(site),
            (None, Some((origin, text))) => Some(Site::parse(text).map_err(|expected| {
                Failure::Refused(format!("{origin}: site {text:?} is unknown; write {expected}"))
            })?),
            (None, None) => None,
        };
        Account::new(
            &parts.api_key,
            &parts.app_key,
            parts.address.as_deref(),
            site,
            origin,
        )
        .map(Arc::new)
        .map_err(Failure::Refused)
    }

    async fn parts(&self, name: &Name, life: Duration) -> Result<Parts, Failure> {
        if let Some(parts) = self.remembered(name, life) {
            return parts;
        }
        let _one_at_a_time = self.reading.lock().await;
        if let Some(parts) = self.remembered(name, life) {
            return parts;
        }
        let account = self.secrets.read(&name.0, &name.1).await.map(|data| {
            let text = |key: &str| {
                data.get(key)
                    .map(|text| text.trim().to_owned())
                    .filter(|text| !text.is_empty())
            };
            Parts {
                api_key: text("api-key").unwrap_or_default(),
                app_key: text("app-key").unwrap_or_default(),
                address: text("address"),
                site: text("site"),
            }
        });
        let known = Known {
            read_at: Instant::now(),
            account: account.clone(),
        };
        let mut memory = self.known.lock().expect("no panic holds this lock");
        if memory.len() >= 1000 {
            memory.retain(|_, known| known.read_at.elapsed() < LIFE);
        }
        memory.insert(name.clone(), known);
        account
    }

    fn remembered(&self, name: &Name, life: Duration) -> Option<Result<Parts, Failure>> {
        let memory = self.known.lock().expect("no panic holds this lock");
        let known = memory.get(name)?;
        // A Secret that could not be read is tried again soon.
        let life = if known.account.is_ok() {
            life
        } else {
            life.min(REREAD)
        };
        (known.read_at.elapsed() < life).then(|| known.account.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_secrets() {
        let list = AllowList(vec!["argo-rollouts/*".to_owned(), "*/datadog-*".to_owned()]);
        assert!(list.allows("argo-rollouts", "anything"));
        assert!(list.allows("team-a", "datadog-keys"));
        assert!(!list.allows("team-a", "database"));
        assert!(!list.allows("x", "argo-rollouts/y"));
        assert!(AllowList::default().allows("team-a", "database"));
    }

    #[tokio::test]
    async fn the_environment_needs_no_address() {
        let environment = Environment {
            api_key: Some("a\n".to_owned()),
            app_key: Some("b".to_owned()),
            site: Some("us5.datadoghq.com".to_owned()),
            ..Environment::default()
        };
        let credentials = Credentials::new(environment.clone(), AllowList::default());
        let account = credentials.account(None, None, "team").await.unwrap();
        assert_eq!(
            (account.api.as_str(), account.api_key.as_str()),
            ("https://api.us5.datadoghq.com", "a")
        );
        let site = Site::parse("datadoghq.eu").ok();
        assert_eq!(
            credentials.account(None, site, "team").await.unwrap().api,
            "https://api.datadoghq.eu"
        );
        let unknown = Credentials::new(
            Environment {
                site: Some("datadog.com".to_owned()),
                ..environment
            },
            AllowList::default(),
        );
        let why = unknown.account(None, None, "team").await.unwrap_err().to_string();
        assert!(
            why.starts_with("DD_SITE: site \"datadog.com\" is unknown; write one of datadoghq.com"),
            "{why}"
        );
    }

    #[tokio::test]
    async fn a_secret_off_the_list_is_not_even_looked_at() {
        let allowed = AllowList(vec!["argo-rollouts/datadog".to_owned()]);
        let credentials = Credentials::new(
            Environment {
                namespace: "argo-rollouts".to_owned(),
                ..Environment::default()
            },
            allowed,
        );
        let wanted = SecretRef {
            name: "keys".to_owned(),
            namespaced: true,
        };
        let why = credentials
            .account(Some(&wanted), None, "team")
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(
            why,
            "secretRef.name: Secret team/keys is not on the operator's list (--allowed-secrets)"
        );
    }
}
