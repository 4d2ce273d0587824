//! How an answer tells who served it.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, StatusCode};

/// Where the name of the version stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// `header:<name>`: the value of an answer's header.
    Header(HeaderName),
    /// `body`: the whole body, without white space at its ends, of an answer with a 2xx. Others are pages of whoever
    /// stands between: "no healthy upstream" is no version.
    Body,
    /// `json:<pointer>`: a member of a JSON body, as RFC 6901 points at it.
    Json(String),
}

/// A `--by` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not say where the version stands; accepted are header:NAME, body, jsonpath:$.PATH")]
pub struct ByError(String);

impl FromStr for By {
    type Err = ByError;

    fn from_str(text: &str) -> Result<Self, ByError> {
        let error = || ByError(text.to_owned());
        match text.split_once(':') {
            None if text == "body" => Ok(Self::Body),
            Some(("header", name)) => name.trim().parse().map(Self::Header).map_err(|_| error()),
            Some(("jsonpath", path)) => pointer(path.trim()).map(Self::Json).ok_or_else(error),
            _ => Err(error()),
        }
    }
}

impl By {
    /// Whether the body of an answer with this status is needed.
    pub fn needs_body(&self, status: StatusCode) -> bool {
        match self {
            Self::Header(_) => false,
            Self::Body => status.is_success(),
            Self::Json(_) => true,
        }
    }

    /// Who served, or `None` where the answer does not say.
    pub fn read(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let text = match self {
            Self::Header(name) => headers.get(name)?.to_str().ok()?.trim().to_owned(),
            Self::Body if !status.is_success() => return None,
            Self::Body => std::str::from_utf8(body).ok()?.trim().to_owned(),
            Self::Json(pointer) => {
                let document: serde_json::Value = serde_json::from_slice(body).ok()?;
                match document.pointer(pointer)? {
                    serde_json::Value::String(text) => text.clone(),
                    serde_json::Value::Null => return None,
                    other => other.to_string(),
                }
            }
        };
        (!text.is_empty()).then_some(text)
    }
}

/// The JSONPaths that name one place: `$.a.b[0]`, `{.a.b[0]}` as kubectl writes it, `$['a b']`.
fn pointer(path: &str) -> Option<String> {
    let path = path
        .strip_prefix('{')
        .map_or(Some(path), |p| p.strip_suffix('}'))?;
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut pointer = String::new();
    let mut push = |member: &str| {
        pointer.push('/');
        pointer.push_str(&member.replace('~', "~0").replace('/', "~1"));
    };
    if !rest.starts_with(['.', '[']) && !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        push(&rest[..end]);
        rest = &rest[end..];
    }
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (member, after) = inner.split_once(']')?;
            let quoted = ['\'', '"']
                .iter()
                .find_map(|q| member.strip_prefix(*q)?.strip_suffix(*q));
            let member = quoted.or_else(|| member.bytes().all(|b| b.is_ascii_digit()).then_some(member))?;
            push(member);
            rest = after;
        } else {
            let inner = rest.strip_prefix('.')?;
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            if end == 0 || inner[..end].contains(['*', '?', '@', '(', ')']) {
                return None;
            }
            push(&inner[..end]);
            rest = &inner[end..];
        }
    }
    (!pointer.is_empty()).then_some(pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let json = |p: &str| Ok(By::Json(p.to_owned()));
        let cases = [
            ("body", Ok(By::Body)),
            (
                "header:X-Version",
                Ok(By::Header(HeaderName::from_static("x-version"))),
            ),
            ("jsonpath:$.version", json("/version")),
            ("jsonpath:{.app.pods[0].name}", json("/app/pods/0/name")),
            ("jsonpath:version", json("/version")),
            ("jsonpath:$['a/b']", json("/a~1b")),
            ("jsonpath:$", Err(())),
            ("jsonpath:$..version", Err(())),
            ("jsonpath:$.pods[*].name", Err(())),
            ("jsonpath:$.pods[?(@.x)]", Err(())),
            ("header:two words", Err(())),
            ("cookie:x", Err(())),
            ("", Err(())),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<By>().map_err(|_| ()), want, "{text}");
        }
    }

    #[test]
    fn answers() {
        let mut headers = HeaderMap::new();
        headers.insert("x-version", "v2 ".parse().unwrap());
        let body = br#" {"app": {"version": "v3", "build": 7, "none": null}} "#;
        let cases = [
            ("header:x-version", 200, Some("v2")),
            ("header:x-version", 500, Some("v2")),
            ("header:x-absent", 200, None),
            (
                "body",
                201,
                Some(r#"{"app": {"version": "v3", "build": 7, "none": null}}"#),
            ),
            ("body", 302, None),
            ("body", 404, None),
            ("body", 503, None),
            ("jsonpath:$.app.version", 200, Some("v3")),
            ("jsonpath:$.app.version", 503, Some("v3")),
            ("jsonpath:$.app.build", 200, Some("7")),
            ("jsonpath:$.app.none", 200, None),
            ("jsonpath:$.absent", 200, None),
        ];
        for (by, status, want) in cases {
            let by: By = by.parse().unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                by.read(status, &headers, body).as_deref(),
                want,
                "{by:?} {status}"
            );
        }
    }
}
