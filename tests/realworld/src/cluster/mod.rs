//! The API server as scenes use it: Kubernetes objects as JSON, by kind, namespace and name.

mod kind;
mod yaml;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiResource, Scope, pinned_kind};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::time::sleep;

pub use kind::Kind;
pub use yaml::{parse, read};

/// The field manager of everything that scenes apply.
pub const FIELD_MANAGER: &str = "realworld";

/// A connection to the API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    kinds: std::sync::Arc<Mutex<HashMap<Kind, (ApiResource, Scope)>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

/// Who an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for kinds without.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl std::fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind.kind, self.namespace, self.name)
    }
}

impl Cluster {
    /// Connects as the current user of a kubeconfig file. Sends nothing yet.
    ///
    /// # Errors
    /// When the file cannot be read or used.
    pub async fn connect(kubeconfig: &Path) -> Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Self {
            client: Client::try_from(config)?,
            kinds: std::sync::Arc::default(),
        })
    }

    /// The client, for what is not wrapped here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes the object what it is given as: server-side apply, taking over the fields of others. An object without a
    /// namespace goes to `namespace`.
    ///
    /// # Errors
    /// The API server's refusal, with the object's kind and name.
    pub async fn apply(&self, namespace: &str, object: &Value) -> Result<Value> {
        let kind = Kind::of(object)?;
        let name = object["metadata"]["name"]
            .as_str()
            .with_context(|| format!("{} without a name", kind.kind))?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(namespace);
        let address = Address {
            kind: kind.clone(),
            namespace,
            name,
        };
        let path = self.path(&address, "").await?;
        let query = format!("?fieldManager={FIELD_MANAGER}&force=true");
        self.send(
            Method::PATCH,
            &(path + &query),
            "application/apply-patch+yaml",
            object,
        )
        .await
        .with_context(|| format!("apply {address}"))
    }

    /// Applies many objects at once. Namespaces and definitions must be there before what needs them.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn apply_all(&self, namespace: &str, objects: &[Value]) -> Result<()> {
        try_join_all(objects.iter().map(|object| self.apply(namespace, object))).await?;
        Ok(())
    }

    /// Creates an object below `collection`, a path such as `/api/v1/namespaces/a/pods/b/binding`.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn post(&self, collection: &str, object: &Value) -> Result<Value> {
        self.send(Method::POST, collection, "application/json", object)
            .await
    }

    /// The object, if it is there.
    ///
    /// # Errors
    /// Any refusal but "not found".
    pub async fn find(&self, address: &Address<'_>) -> Result<Option<Value>> {
        let path = self.path(address, "").await?;
        match self.ask(Method::GET, &path, "", String::new()).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(refusal(error)).with_context(|| format!("read {address}")),
        }
    }

    /// The object, which must be there.
    ///
    /// # Errors
    /// Any refusal, "not found" too.
    pub async fn read(&self, address: &Address<'_>) -> Result<Value> {
        self.find(address)
            .await?
            .with_context(|| format!("{address} is not there"))
    }

    /// All objects of a kind in `namespace`, or in all namespaces if that is empty.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn list(&self, kind: Kind, namespace: &str) -> Result<Vec<Value>> {
        let what = kind.kind.clone();
        let path = self
            .path(
                &Address {
                    kind: kind.clone(),
                    namespace,
                    name: "",
                },
                "",
            )
            .await?;
        let mut list = self
            .ask(Method::GET, &path, "", String::new())
            .await
            .map_err(refusal)
            .with_context(|| format!("list {what} of namespace `{namespace}`"))?;
        let Value::Array(mut items) = list["items"].take() else {
            return Ok(vec![]);
        };
        for item in &mut items {
            // Members of a list do not carry these.
            item["apiVersion"] = json!(kind.api_version);
            item["kind"] = json!(kind.kind);
        }
        Ok(items)
    }

    /// Changes the object by a JSON merge patch (RFC 7396), as `kubectl patch --type merge` does; its status if
    /// `subresource` is `status`, itself if that is empty.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn merge(&self, address: &Address<'_>, subresource: &str, patch: &Value) -> Result<Value> {
        let path = self.path(address, subresource).await?;
        self.send(Method::PATCH, &path, "application/merge-patch+json", patch)
            .await
            .with_context(|| format!("patch {address} {subresource} with {patch}"))
    }

    /// Writes the whole object back (PUT), which fails when `metadata.resourceVersion` is not the newest.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn replace(&self, object: &Value) -> Result<Value> {
        let metadata = &object["metadata"];
        let address = Address {
            kind: Kind::of(object)?,
            namespace: metadata["namespace"].as_str().unwrap_or_default(),
            name: metadata["name"].as_str().context("object without a name")?,
        };
        let path = self.path(&address, "").await?;
        self.send(Method::PUT, &path, "application/json", object)
            .await
            .with_context(|| format!("replace {address}"))
    }

    /// Deletes the object; one that is gone already is fine.
    ///
    /// # Errors
    /// Any refusal but "not found".
    pub async fn delete(&self, address: &Address<'_>, options: &Value) -> Result<()> {
        let path = self.path(address, "").await?;
        let options = options.to_string();
        match self.ask(Method::DELETE, &path, "application/json", options).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(refusal(error)).with_context(|| format!("delete {address}")),
        }
    }

    /// What was recorded of an object: `type reason: message`, oldest first.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn events(&self, address: &Address<'_>) -> Result<Vec<String>> {
        let mut events = self.list(Kind::event(), address.namespace).await?;
        events.retain(|event| {
            event["involvedObject"]["kind"] == address.kind.kind.as_str()
                && event["involvedObject"]["name"] == address.name
        });
        events.sort_by_key(|event| event["lastTimestamp"].as_str().unwrap_or_default().to_owned());
        Ok(events.iter().map(describe_event).collect())
    }

    /// Whether the API server says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let Ok(request) = Request::get("/readyz").body(vec![]) else {
            return false;
        };
        self.client
            .request_text(request)
            .await
            .is_ok_and(|body| body == "ok")
    }

    async fn send(&self, method: Method, path: &str, content: &str, body: &Value) -> Result<Value> {
        self.ask(method, path, content, body.to_string())
            .await
            .map_err(refusal)
    }

    /// Sends a request, and again where the connection broke: all of them but POST may be carried out twice here.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: String,
    ) -> Result<Value, kube::Error> {
        let mut left = if method == Method::POST { 0 } else { 2 };
        loop {
            let mut request = Request::builder().method(method.clone()).uri(path);
            if !content.is_empty() {
                request = request.header("content-type", content);
            }
            let request = request
                .body(body.clone().into_bytes())
                .map_err(kube::Error::HttpError)?;
            match self.client.request(request).await {
                Err(kube::Error::HyperError(_) | kube::Error::Service(_)) if left > 0 => left -= 1,
                answer => return answer,
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The path of an object, or of the collection if the name is empty.
    async fn path(&self, address: &Address<'_>, subresource: &str) -> Result<String> {
        let (resource, scope) = self.discover(&address.kind).await?;
        let mut path = match resource.group.as_str() {
            "" => format!("/api/{}", resource.version),
            group => format!("/apis/{group}/{}", resource.version),
        };
        if scope == Scope::Namespaced && !address.namespace.is_empty() {
            path.push_str(&format!("/namespaces/{}", address.namespace));
        }
        for part in [resource.plural.as_str(), address.name, subresource] {
            if !part.is_empty() {
                path.push('/');
                path.push_str(part);
            }
        }
        Ok(path)
    }

    /// The plural and the scope of a kind, asked of the API server once.
    pub(crate) async fn discover(&self, kind: &Kind) -> Result<(ApiResource, Scope)> {
        let known = self.kinds.lock().expect("no holder panics").get(kind).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let (group, version) = kind
            .api_version
            .split_once('/')
            .unwrap_or(("", &kind.api_version));
        let asked = GroupVersionKind::gvk(group, version, &kind.kind);
        let (resource, capabilities) = pinned_kind(&self.client, &asked)
            .await
            .with_context(|| format!("the API server does not know {} {}", kind.api_version, kind.kind))?;
        let found = (resource, capabilities.scope);
        self.kinds
            .lock()
            .expect("no holder panics")
            .insert(kind.clone(), found.clone());
        Ok(found)
    }
}

/// The API server's own sentence; kube's says everything three times.
fn refusal(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow::anyhow!("{} ({})", status.message, status.code),
        other => other.into(),
    }
}

fn describe_event(event: &Value) -> String {
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    format!("{} {}: {}", text("type"), text("reason"), text("message"))
}
