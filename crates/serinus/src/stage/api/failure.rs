//! What the API refuses, in the API server's own words: a `Status` object.

use serde_json::{Value, json};

use super::resource::Resource;

/// A refused request. [`Failure::status`] is the body that a client library reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// HTTP status.
    pub code: u16,
    /// `metav1.StatusReason`, in its spelling (`NotFound`, `Conflict`, `Invalid`, …).
    pub reason: &'static str,
    /// The sentence a user sees.
    pub message: String,
    /// Name of the object, where there is one.
    pub name: String,
    /// Its kind, where there is one.
    pub resource: Option<&'static Resource>,
}

impl Failure {
    /// 404: no such object.
    pub fn not_found(resource: &'static Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.group_resource());
        Self::of(404, "NotFound", message).about(resource, name)
    }

    /// 409: an object of that name exists.
    pub fn already_exists(resource: &'static Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.group_resource());
        Self::of(409, "AlreadyExists", message).about(resource, name)
    }

    /// 409: the object is not the one that the writer read.
    pub fn conflict(resource: &'static Resource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            resource.group_resource()
        );
        Self::of(409, "Conflict", message).about(resource, name)
    }

    /// 422: the object breaks a rule of its schema. `causes` are `field: message`.
    pub fn invalid(resource: &'static Resource, name: &str, causes: &[String]) -> Self {
        let listed = match causes {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let kind = if resource.group.is_empty() {
            resource.kind.to_owned()
        } else {
            format!("{}.{}", resource.kind, resource.group)
        };
        Self::of(422, "Invalid", format!("{kind} {name:?} is invalid: {listed}")).about(resource, name)
    }

    /// 400: not an object, or not one for this path.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::of(400, "BadRequest", message.into())
    }

    /// 403: the stage was told to refuse this verb.
    pub fn forbidden(resource: &'static Resource, namespace: &str, name: &str, verb: &str) -> Self {
        let message = format!(
            "{} {name:?} is forbidden: User \"stage\" cannot {verb} resource {:?} in API group {:?} in the namespace {namespace:?}",
            resource.group_resource(),
            resource.plural,
            resource.group
        );
        Self::of(403, "Forbidden", message).about(resource, name)
    }

    /// 405: the path exists, the verb does not.
    pub fn method_not_allowed() -> Self {
        Self::of(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource".into(),
        )
    }

    /// 410: the watch asks for changes older than those kept.
    pub fn expired(revision: u64) -> Self {
        Self::of(410, "Expired", format!("too old resource version: {revision}"))
    }

    /// 415: a patch in a form the stage does not read.
    pub fn unsupported_media_type(seen: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json (seen: {seen:?})"
        );
        Self::of(415, "UnsupportedMediaType", message)
    }

    /// The `Status` object of this failure.
    pub fn status(&self) -> Value {
        let details = self.resource.map_or_else(
            || json!({}),
            |r| json!({ "name": self.name, "group": r.group, "kind": r.plural }),
        );
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": details, "code": self.code,
        })
    }

    fn of(code: u16, reason: &'static str, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            name: String::new(),
            resource: None,
        }
    }

    fn about(mut self, resource: &'static Resource, name: &str) -> Self {
        self.resource = Some(resource);
        name.clone_into(&mut self.name);
        self
    }
}
