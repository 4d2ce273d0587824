//! What can go wrong between us and the API server.

use std::error::Error;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

/// Why a request brought nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// There is no usable configuration: neither a kubeconfig nor a service account.
    #[error("no API server is configured")]
    Config(#[source] Box<dyn Error + Send + Sync>),
    /// No answer: nothing listens, TLS failed, or the connection broke.
    #[error("the API server {address} cannot be reached")]
    Unreachable {
        /// Scheme, host and port.
        address: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("the API server did not answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// An answer that is not JSON of an object.
    #[error("the API server's answer cannot be read: {0}")]
    Unreadable(String),
    /// The API server refused.
    #[error(transparent)]
    Refused(#[from] Status),
    /// The API server does not know this path: the CRD or its version is not there.
    #[error(
        "the API server serves no {resource} ({versions} were tried), are the Gateway API CRDs installed?"
    )]
    NotServed {
        /// Resource name.
        resource: &'static str,
        /// The versions that were tried.
        versions: String,
    },
}

/// `metav1.Status` of an answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the API server answered {code}{}: {message}", if reason.is_empty() { String::new() } else { format!(" {reason}") })]
pub struct Status {
    /// HTTP status.
    pub code: u16,
    /// For example `Forbidden`; may be empty.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When to come back, of `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Whether the answer was a `Status` object: a path that nobody serves is answered with plain text.
    pub is_object: bool,
}

impl Status {
    pub(super) fn parse(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        const SHOWN: usize = 300;
        let parsed = serde_json::from_slice::<Value>(body)
            .ok()
            .filter(|value| value["kind"] == "Status");
        let text = |field: &str| {
            parsed
                .as_ref()
                .and_then(|status| status[field].as_str())
                .map(str::to_owned)
        };
        let plain = || {
            let text: String = String::from_utf8_lossy(body).trim().chars().take(SHOWN).collect();
            if text.is_empty() {
                "no explanation was given".to_owned()
            } else {
                text
            }
        };
        Self {
            code,
            reason: text("reason").unwrap_or_default(),
            message: text("message")
                .filter(|message| !message.is_empty())
                .unwrap_or_else(plain),
            retry_after,
            is_object: parsed.is_some(),
        }
    }
}

impl ApiError {
    /// The refusal that a watch reports in place of an object.
    pub(super) fn refused(body: &[u8]) -> Self {
        let code = serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|status| status["code"].as_u64()?.try_into().ok());
        Status::parse(code.unwrap_or(500), None, body).into()
    }

    /// HTTP status of a refusal.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(status.code),
            _ => None,
        }
    }

    /// The object does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 404 && status.is_object)
    }

    /// The path is not served.
    pub(super) fn is_not_served(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 404 && !status.is_object)
    }

    /// Whether it is the object that is not taken, by the API server or by an admission webhook (Kubernetes
    /// `admission/plugin/webhook/errors`, `ToStatusErr`), and not who sends it.
    pub(crate) fn is_about_the_object(&self) -> bool {
        match self {
            Self::Refused(status) => {
                status.code == 422
                    || (400..500).contains(&status.code) && status.message.starts_with("admission webhook ")
            }
            _ => false,
        }
    }

    /// Whether the request may have been carried out all the same.
    pub(super) fn is_doubtful(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout(_) | Self::Unreadable(_) => true,
            Self::Refused(status) => status.code >= 500,
            Self::Config(_) | Self::NotServed { .. } => false,
        }
    }

    /// The object changed since it was read.
    pub(super) fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout(_) | Self::Unreadable(_) => true,
            Self::Refused(status) => matches!(status.code, 408 | 409 | 429 | 500 | 502 | 503 | 504),
            Self::Config(_) | Self::NotServed { .. } => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(status) => status.retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_is_not_a_missing_path() {
        let object = br#"{"kind":"Status","status":"Failure","message":"httproutes \"web\" not found","reason":"NotFound",
            "details":{"name":"web"},"code":404}"#;
        let error = ApiError::from(Status::parse(404, None, object));
        assert!(error.is_missing() && !error.is_not_served());
        assert_eq!(
            error.to_string(),
            "the API server answered 404 NotFound: httproutes \"web\" not found"
        );
        let error = ApiError::from(Status::parse(404, None, b"404 page not found\n"));
        assert!(!error.is_missing() && error.is_not_served());
        assert_eq!(
            error.to_string(),
            "the API server answered 404: 404 page not found"
        );
    }

    #[test]
    fn an_answer_of_a_proxy_is_cut() {
        let page = "<html>".repeat(1000);
        assert!(Status::parse(502, None, page.as_bytes()).to_string().len() < 400);
        assert_eq!(Status::parse(500, None, b"").message, "no explanation was given");
    }
}
