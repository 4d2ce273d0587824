//! The filters that the gateway obeys: header changes and request mirrors. Pure.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::route::{Filter, Fraction, HeaderModifier, ObjectRef};

/// Header changes on the way to the backend and back.
#[derive(Debug, Default)]
pub struct Edits {
    request: Vec<Edit>,
    response: Vec<Edit>,
}

/// A copy to send.
#[derive(Debug)]
pub struct Mirror {
    /// `<namespace>/<name>` of the Service, or why there is none.
    pub service: Result<String, String>,
    /// Share of the requests that are copied.
    pub share: Fraction,
}

#[derive(Debug)]
enum Edit {
    Set(HeaderName, HeaderValue),
    Add(HeaderName, HeaderValue),
    Remove(HeaderName),
}

impl Edits {
    /// Compiles a filter list; mirrors are added to `mirrors`. `Err` names a filter that this gateway does not know.
    pub fn compile(
        filters: &[Filter],
        mirrors: &mut Vec<Mirror>,
        service: &mut impl FnMut(&ObjectRef) -> Result<String, String>,
    ) -> Result<Self, String> {
        let mut edits = Self::default();
        for (i, filter) in filters.iter().enumerate() {
            let missing = || format!("filters[{i}] has type {} without its settings", filter.kind);
            let at = |e: String| format!("filters[{i}].{e}");
            match filter.kind.as_str() {
                "RequestHeaderModifier" => {
                    let modifier = filter.request_header_modifier.as_ref().ok_or_else(missing)?;
                    edits.request.extend(Edit::of(modifier).map_err(at)?);
                }
                "ResponseHeaderModifier" => {
                    let modifier = filter.response_header_modifier.as_ref().ok_or_else(missing)?;
                    edits.response.extend(Edit::of(modifier).map_err(at)?);
                }
                "RequestMirror" => {
                    let mirror = filter.request_mirror.as_ref().ok_or_else(missing)?;
                    let share = match (mirror.fraction, mirror.percent) {
                        (Some(fraction), _) => fraction,
                        (None, percent) => Fraction {
                            numerator: percent.unwrap_or(100),
                            denominator: 100,
                        },
                    };
                    mirrors.push(Mirror {
                        service: service(&mirror.backend_ref),
                        share,
                    });
                }
                other => {
                    return Err(format!(
                        "filters[{i}].type {other} is not supported by this gateway"
                    ));
                }
            }
        }
        Ok(edits)
    }

    /// Changes the headers of a request.
    pub fn request(&self, headers: &mut HeaderMap) {
        self.request.iter().for_each(|edit| edit.apply(headers));
    }

    /// Changes the headers of an answer.
    pub fn response(&self, headers: &mut HeaderMap) {
        self.response.iter().for_each(|edit| edit.apply(headers));
    }
}

impl Edit {
    fn of(modifier: &HeaderModifier) -> Result<Vec<Self>, String> {
        let name = |n: &str| {
            n.parse::<HeaderName>()
                .map_err(|_| format!("{n:?} is not a header name"))
        };
        let value = |v: &str| {
            v.parse::<HeaderValue>()
                .map_err(|_| format!("{v:?} is not a header value"))
        };
        let mut edits = Vec::new();
        for header in &modifier.set {
            edits.push(Self::Set(name(&header.name)?, value(&header.value)?));
        }
        for header in &modifier.add {
            edits.push(Self::Add(name(&header.name)?, value(&header.value)?));
        }
        for header in &modifier.remove {
            edits.push(Self::Remove(name(header)?));
        }
        Ok(edits)
    }

    fn apply(&self, headers: &mut HeaderMap) {
        match self {
            Self::Set(name, value) => drop(headers.insert(name, value.clone())),
            Self::Add(name, value) => drop(headers.append(name, value.clone())),
            Self::Remove(name) => drop(headers.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn compile(filters: Value) -> Result<(Edits, Vec<Mirror>), String> {
        let filters: Vec<Filter> = serde_json::from_value(filters).unwrap();
        let mut mirrors = Vec::new();
        let edits = Edits::compile(&filters, &mut mirrors, &mut |target| Ok(target.name.clone()))?;
        Ok((edits, mirrors))
    }

    #[test]
    fn headers_are_set_added_and_removed() {
        let (edits, _) = compile(json!([
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                "set": [{"name": "x-a", "value": "new"}], "add": [{"name": "x-b", "value": "2"}], "remove": ["x-c"]}},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "set-cookie", "value": "k=v"}]}},
        ]))
        .unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "old"), ("x-b", "1"), ("x-c", "gone")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        edits.request(&mut headers);
        let seen: Vec<_> = headers
            .iter()
            .map(|(n, v)| format!("{n}={}", v.to_str().unwrap()))
            .collect();
        assert_eq!(seen, ["x-a=new", "x-b=1", "x-b=2"]);

        let mut headers = HeaderMap::new();
        edits.response(&mut headers);
        assert_eq!(headers["set-cookie"], "k=v");
    }

    #[test]
    fn shares_of_mirrors() {
        let backend = json!({"name": "canary", "port": 80});
        let cases = [
            (json!({ "backendRef": backend }), (100, 100)),
            (json!({"backendRef": backend, "percent": 42}), (42, 100)),
            (
                json!({"backendRef": backend, "fraction": {"numerator": 5, "denominator": 1000}}),
                (5, 1000),
            ),
            (
                json!({"backendRef": backend, "fraction": {"numerator": 5}}),
                (5, 100),
            ),
        ];
        for (mirror, want) in cases {
            let (_, mirrors) = compile(json!([{"type": "RequestMirror", "requestMirror": mirror}])).unwrap();
            assert_eq!(
                (mirrors[0].share.numerator, mirrors[0].share.denominator),
                want,
                "{mirror}"
            );
            assert_eq!(mirrors[0].service, Ok("canary".to_owned()));
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let refused = compile(json!([{"type": "URLRewrite", "urlRewrite": {}}])).unwrap_err();
        assert_eq!(
            refused,
            "filters[0].type URLRewrite is not supported by this gateway"
        );
    }
}
