//! `?watch=true`: one JSON event a line, for as long as the client listens.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::watch as latest;
use tokio::time::Instant;

use super::Api;
use super::failure::Failure;
use super::resource::Resource;
use super::selector::Selector;
use super::serve::{Query, in_version};
use super::store::{Change, ChangeKind};
use crate::stage::http::{Body, BodyError};

/// kube-apiserver's bookmark interval.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// What a watch without `timeoutSeconds` gets (kube-apiserver: 30 to 60 minutes).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);

/// The stream of events. Without a resourceVersion (or with `0`, or `sendInitialEvents=true`) it begins with what is
/// there; otherwise with the first change after it.
pub(super) fn answer(
    api: &Api,
    resource: &'static Resource,
    version: &'static str,
    namespace: Option<&str>,
    query: &Query,
) -> Result<Response<Body>, Failure> {
    let verb = "watch";
    if api.is_denied(verb, &resource.group_resource()) {
        return Err(Failure::forbidden(
            resource,
            namespace.unwrap_or_default(),
            "",
            verb,
        ));
    }
    let number = |key: &str| {
        query
            .text(key)
            .filter(|v| !v.is_empty())
            .map(str::parse::<u64>)
            .transpose()
    };
    let malformed = |_| Failure::bad_request("resourceVersion and timeoutSeconds must be decimal numbers");
    let from = number("resourceVersion")
        .map_err(malformed)?
        .filter(|rv| *rv != 0);
    let timeout = number("timeoutSeconds")
        .map_err(malformed)?
        .map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let now = Instant::now();

    let mut watch = Watch {
        api: api.clone(),
        revisions: api.revisions(),
        resource,
        version,
        namespace: namespace.map(str::to_owned),
        selector: query.selector()?,
        bookmarks: query.is("allowWatchBookmarks"),
        seen: 0,
        lines: VecDeque::new(),
        ends: now + timeout,
        next_bookmark: now + BOOKMARK_EVERY,
    };
    watch.begin(from, query.is("sendInitialEvents"));
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        let line = watch.next_line().await?;
        Some((Ok::<_, BodyError>(Frame::data(Bytes::from(line))), watch))
    });
    let mut response = Response::new(StreamBody::new(stream).boxed_unsync());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

struct Watch {
    api: Api,
    revisions: latest::Receiver<u64>,
    resource: &'static Resource,
    version: &'static str,
    namespace: Option<String>,
    selector: Selector,
    bookmarks: bool,
    /// The revision up to which everything was told.
    seen: u64,
    lines: VecDeque<String>,
    ends: Instant,
    next_bookmark: Instant,
}

impl Watch {
    fn begin(&mut self, from: Option<u64>, send_initial_events: bool) {
        let api = self.api.clone();
        let store = api.store();
        match from {
            Some(revision) if !send_initial_events => self.seen = revision,
            _ => {
                for object in store.list(self.resource, self.namespace.as_deref(), &self.selector) {
                    self.say("ADDED", object.clone());
                }
                self.seen = store.revision();
                if send_initial_events {
                    self.say_bookmark(&json!({"k8s.io/initial-events-end": "true"}));
                }
            }
        }
    }

    async fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            self.revisions.borrow_and_update();
            match self.api.changes_since(self.seen) {
                Err(failure) => {
                    // The client has to list again; the stream ends after saying so.
                    self.seen = u64::MAX - 1;
                    self.ends = Instant::now();
                    return Some(event("ERROR", &failure.status()));
                }
                Ok(changes) => changes.into_iter().for_each(|change| self.tell(change)),
            }
            if !self.lines.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.revisions.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.ends) => return None,
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    self.say_bookmark(&json!({}));
                }
            }
        }
    }

    fn tell(&mut self, change: Change) {
        self.seen = change.revision;
        let ours = change.key.kind == self.resource.group_resource()
            && self
                .namespace
                .as_ref()
                .is_none_or(|ns| *ns == change.key.namespace);
        if !ours {
            return;
        }
        // An object that enters or leaves the selection is added or deleted, as far as this client can see.
        let was = change.before.is_some_and(|before| self.selector.matches(&before));
        let is = change.kind != ChangeKind::Deleted && self.selector.matches(&change.object);
        match (was, is) {
            (false, true) => self.say("ADDED", change.object),
            (true, true) => self.say("MODIFIED", change.object),
            (true, false) => self.say("DELETED", change.object),
            (false, false) => {}
        }
    }

    fn say(&mut self, kind: &str, object: Value) {
        self.lines
            .push_back(event(kind, &in_version(self.resource, self.version, object)));
    }

    fn say_bookmark(&mut self, annotations: &Value) {
        let object = json!({
            "apiVersion": self.resource.api_version(self.version), "kind": self.resource.kind,
            "metadata": {"resourceVersion": self.seen.to_string(), "annotations": annotations},
        });
        self.lines.push_back(event("BOOKMARK", &object));
    }
}

fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}
