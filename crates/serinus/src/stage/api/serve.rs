//! A request over HTTP becomes a question to the store.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::failure::Failure;
use super::resource::{Resource, Target, parse_path};
use super::selector::Selector;
use super::store::{Part, Patch};
use super::{Api, discovery, log, watch};
use crate::stage::http::{Body, full, plain};

/// kube-apiserver's limit for a request body (`MaxRequestBodyBytes`).
const MAX_BODY: usize = 3 << 20;

/// Answers one request, and writes it to the log.
pub(super) async fn answer(api: Api, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().to_string();
    let agent = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let at = api.shared.began.elapsed();
    let (verb, response) = match route(&api, request).await {
        (verb, Ok(response)) => (verb, response),
        (verb, Err(failure)) => (verb, refusal(&failure)),
    };
    let status = response.status().as_u16();
    api.log().push(log::Request {
        at,
        verb,
        path,
        agent,
        status,
    });
    response
}

async fn route(api: &Api, request: Request<Incoming>) -> (&'static str, Result<Response<Body>, Failure>) {
    let Some(target) = parse_path(request.uri().path()) else {
        return ("get", Ok(plain(StatusCode::NOT_FOUND, "404 page not found\n")));
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    match target {
        Target::Health => ("get", Ok(plain(StatusCode::OK, "ok"))),
        Target::Version => ("get", Ok(document(&discovery::version()))),
        Target::CoreVersions => ("get", Ok(document(&discovery::core_versions()))),
        Target::Groups => ("get", Ok(document(&discovery::groups()))),
        Target::Group(name) => ("get", Ok(document(&discovery::group(&name)))),
        Target::Resources { group, version } => ("get", Ok(document(&discovery::resources(&group, version)))),
        Target::AccessReview => ("create", access_review(api, request).await),
        Target::Collection {
            resource,
            version,
            namespace,
        } => {
            let namespace = namespace.as_deref();
            match *request.method() {
                Method::GET if query.is("watch") => {
                    ("watch", watch::answer(api, resource, version, namespace, &query))
                }
                Method::GET => ("list", list(api, resource, version, namespace, &query)),
                Method::POST => (
                    "create",
                    create(api, resource, version, namespace, &query, request).await,
                ),
                _ => ("list", Err(Failure::method_not_allowed())),
            }
        }
        Target::Object {
            resource,
            version,
            namespace,
            name,
            status,
        } => {
            let part = if status { Part::Status } else { Part::Main };
            let object = Object {
                api,
                resource,
                version,
                namespace: &namespace,
                name: &name,
                part,
            };
            match *request.method() {
                Method::GET => ("get", object.get()),
                Method::PUT => ("update", object.put(&query, request).await),
                Method::PATCH => ("patch", object.patch(&query, request).await),
                Method::DELETE => ("delete", object.delete()),
                _ => ("get", Err(Failure::method_not_allowed())),
            }
        }
    }
}

struct Object<'a> {
    api: &'a Api,
    resource: &'static Resource,
    version: &'a str,
    namespace: &'a str,
    name: &'a str,
    part: Part,
}

impl Object<'_> {
    fn get(&self) -> Result<Response<Body>, Failure> {
        self.permit("get")?;
        let object = self.api.get(self.resource, self.namespace, self.name)?;
        Ok(self.answer(object))
    }

    async fn put(&self, query: &Query, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        self.permit("update")?;
        let object = json_body(request).await?;
        let dry = query.dry_run();
        let object = self.api.write(dry, |store| {
            store.replace(self.resource, self.namespace, self.name, self.part, object)
        })?;
        Ok(self.answer(object))
    }

    async fn patch(&self, query: &Query, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        self.permit("patch")?;
        let form = content_type(request.headers());
        let body = bytes(request).await?;
        let malformed = |e: serde_json::Error| Failure::bad_request(format!("error decoding patch: {e}"));
        let patch = match form.as_str() {
            "application/json-patch+json" => Patch::Json(serde_json::from_slice(&body).map_err(malformed)?),
            "application/merge-patch+json" => Patch::Merge(serde_json::from_slice(&body).map_err(malformed)?),
            _ => return Err(Failure::unsupported_media_type(&form)),
        };
        let dry = query.dry_run();
        let object = self.api.write(dry, |store| {
            store.patch(self.resource, self.namespace, self.name, self.part, &patch)
        })?;
        Ok(self.answer(object))
    }

    fn delete(&self) -> Result<Response<Body>, Failure> {
        self.permit("delete")?;
        let object = self.api.delete(self.resource, self.namespace, self.name)?;
        Ok(self.answer(object))
    }

    fn permit(&self, verb: &str) -> Result<(), Failure> {
        let mut what = self.resource.group_resource();
        if self.part == Part::Status {
            what = format!("{what}/status");
        }
        if self.api.is_denied(verb, &what) {
            return Err(Failure::forbidden(self.resource, self.namespace, self.name, verb));
        }
        Ok(())
    }

    fn answer(&self, object: Value) -> Response<Body> {
        document(&in_version(self.resource, self.version, object))
    }
}

fn list(
    api: &Api,
    resource: &'static Resource,
    version: &str,
    namespace: Option<&str>,
    query: &Query,
) -> Result<Response<Body>, Failure> {
    if api.is_denied("list", &resource.group_resource()) {
        return Err(Failure::forbidden(
            resource,
            namespace.unwrap_or_default(),
            "",
            "list",
        ));
    }
    let selector = query.selector()?;
    let store = api.store();
    let items: Vec<Value> = store
        .list(resource, namespace, &selector)
        .into_iter()
        .map(|object| in_version(resource, version, object.clone()))
        .collect();
    Ok(document(&json!({
        "kind": format!("{}List", resource.kind),
        "apiVersion": resource.api_version(version),
        "metadata": {"resourceVersion": store.revision().to_string()},
        "items": items,
    })))
}

async fn create(
    api: &Api,
    resource: &'static Resource,
    version: &str,
    namespace: Option<&str>,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    if api.is_denied("create", &resource.group_resource()) {
        return Err(Failure::forbidden(
            resource,
            namespace.unwrap_or_default(),
            "",
            "create",
        ));
    }
    let namespace = match (resource.namespaced, namespace) {
        (true, Some(ns)) => ns.to_owned(),
        (true, None) => return Err(Failure::method_not_allowed()),
        (false, _) => String::new(),
    };
    let object = json_body(request).await?;
    let object = api.write(query.dry_run(), |store| {
        store.create(resource, &namespace, object, Timestamp::now())
    })?;
    let mut response = document(&in_version(resource, version, object));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

async fn access_review(api: &Api, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let mut review = json_body(request).await?;
    let asked = |field: &str| {
        review
            .pointer(&format!("/spec/resourceAttributes/{field}"))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let mut what = asked("resource").to_owned();
    if !asked("group").is_empty() {
        what = format!("{what}.{}", asked("group"));
    }
    if !asked("subresource").is_empty() {
        what = format!("{what}/{}", asked("subresource"));
    }
    let allowed = !api.is_denied(asked("verb"), &what);
    review["status"] = json!({ "allowed": allowed });
    let mut response = document(&review);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// The query of a request, decoded.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decoded(key), percent_decoded(value))
        });
        Self(pairs.collect())
    }

    /// The value of a parameter.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether a boolean parameter is set.
    pub(super) fn is(&self, key: &str) -> bool {
        matches!(self.text(key), Some("true" | "1"))
    }

    /// The two selectors.
    pub(super) fn selector(&self) -> Result<Selector, Failure> {
        Selector::parse(self.text("labelSelector"), self.text("fieldSelector"))
    }

    fn dry_run(&self) -> bool {
        self.text("dryRun") == Some("All")
    }
}

/// The object as a client of that version sees it.
pub(super) fn in_version(resource: &Resource, version: &str, mut object: Value) -> Value {
    object["apiVersion"] = resource.api_version(version).into();
    object
}

/// An answer of JSON.
fn document(value: &Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn refusal(failure: &Failure) -> Response<Body> {
    let mut response = document(&failure.status());
    *response.status_mut() = StatusCode::from_u16(failure.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

async fn json_body(request: Request<Incoming>) -> Result<Value, Failure> {
    let body = bytes(request).await?;
    serde_json::from_slice(&body).map_err(|e| Failure::bad_request(format!("the body is not JSON: {e}")))
}

async fn bytes(request: Request<Incoming>) -> Result<bytes::Bytes, Failure> {
    match Limited::new(request.into_body(), MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) => Err(Failure::bad_request(format!("the body cannot be read: {e}"))),
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_owned()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query =
            Query::parse("labelSelector=app%3Dweb%2Ctier+in+%28a%29&watch=1&dryRun=All&odd=%zz&last=%4");
        assert_eq!(query.text("labelSelector"), Some("app=web,tier in (a)"));
        assert_eq!((query.text("odd"), query.text("last")), (Some("%zz"), Some("%4")));
        assert!(query.is("watch") && query.dry_run() && !query.is("absent"));
    }
}
