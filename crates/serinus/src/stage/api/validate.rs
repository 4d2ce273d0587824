//! The rules of the HTTPRoute schema that a traffic router can break (Gateway API 1.6, standard channel,
//! `config/crd/standard/gateway.networking.k8s.io_httproutes.yaml`). Everything else is accepted as it comes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::failure::Failure;
use super::resource::Resource;

const MAX_RULES: usize = 16;
const MAX_MATCHES_PER_RULE: usize = 64;
const MAX_MATCHES: usize = 128;
const MAX_BACKEND_REFS: usize = 16;
const MAX_FILTERS: usize = 16;
const MAX_HEADERS: usize = 16;
const MAX_WEIGHT: i64 = 1_000_000;
const MAX_HEADER_VALUE: usize = 4096;

/// Refuses an object that the real API server would refuse, naming every field at fault.
pub fn check(resource: &'static Resource, name: &str, object: &Value) -> Result<(), Failure> {
    if resource.kind != "HTTPRoute" {
        return Ok(());
    }
    let causes = http_route(object);
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(resource, name, &causes))
    }
}

fn http_route(route: &Value) -> Vec<String> {
    let mut causes = Vec::new();
    let rules = array(&route["spec"]["rules"]);
    too_many(&mut causes, "spec.rules", rules, MAX_RULES);
    let mut names = BTreeSet::new();
    let mut matches_in_all = 0;
    for (i, rule) in rules.iter().enumerate() {
        let at = format!("spec.rules[{i}]");
        if let Some(name) = rule["name"].as_str()
            && !names.insert(name)
        {
            causes.push(format!(
                "spec.rules: Invalid value: \"array\": Rule name must be unique within the route ({name:?})"
            ));
        }
        let matches = array(&rule["matches"]);
        matches_in_all += matches.len().max(1);
        too_many(
            &mut causes,
            &format!("{at}.matches"),
            matches,
            MAX_MATCHES_PER_RULE,
        );
        too_many(
            &mut causes,
            &format!("{at}.filters"),
            array(&rule["filters"]),
            MAX_FILTERS,
        );
        for (j, one) in matches.iter().enumerate() {
            header_matches(
                &mut causes,
                &format!("{at}.matches[{j}].headers"),
                array(&one["headers"]),
            );
        }
        let backends = array(&rule["backendRefs"]);
        too_many(
            &mut causes,
            &format!("{at}.backendRefs"),
            backends,
            MAX_BACKEND_REFS,
        );
        for (j, backend) in backends.iter().enumerate() {
            backend_ref(&mut causes, &format!("{at}.backendRefs[{j}]"), backend);
        }
    }
    if matches_in_all > MAX_MATCHES {
        causes.push(format!(
            "spec.rules: Invalid value: \"array\": While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a route must be less than {MAX_MATCHES}"
        ));
    }
    causes
}

fn header_matches(causes: &mut Vec<String>, at: &str, headers: &[Value]) {
    too_many(causes, at, headers, MAX_HEADERS);
    let mut names = BTreeSet::new();
    for (i, header) in headers.iter().enumerate() {
        let name = header["name"].as_str().unwrap_or_default();
        if !names.insert(name) {
            causes.push(format!("{at}[{i}]: Duplicate value: {{\"name\":{name:?}}}"));
        }
        match header["value"].as_str() {
            None | Some("") => causes.push(format!("{at}[{i}].value: Required value")),
            Some(value) if value.len() > MAX_HEADER_VALUE => {
                causes.push(format!(
                    "{at}[{i}].value: Too long: may not be more than {MAX_HEADER_VALUE} bytes"
                ));
            }
            Some(_) => {}
        }
        one_of(
            causes,
            &format!("{at}[{i}].type"),
            &header["type"],
            &["Exact", "RegularExpression"],
        );
    }
}

fn backend_ref(causes: &mut Vec<String>, at: &str, backend: &Value) {
    if backend["name"].as_str().unwrap_or_default().is_empty() {
        causes.push(format!("{at}.name: Required value"));
    }
    let core_service = backend["group"].as_str().unwrap_or_default().is_empty()
        && backend["kind"].as_str().is_none_or(|k| k == "Service");
    if core_service && backend["port"].is_null() {
        causes.push(format!(
            "{at}: Invalid value: \"object\": Must have port for Service reference"
        ));
    }
    match &backend["weight"] {
        Value::Null => {}
        weight => match weight.as_i64() {
            Some(w) if w < 0 => {
                causes.push(format!("{at}.weight: Invalid value: {w}: {at}.weight in body should be greater than or equal to 0"));
            }
            Some(w) if w > MAX_WEIGHT => causes.push(format!(
                "{at}.weight: Invalid value: {w}: {at}.weight in body should be less than or equal to {MAX_WEIGHT}"
            )),
            Some(_) => {}
            None => causes.push(format!("{at}.weight: Invalid value: {weight}: must be an integer")),
        },
    }
    too_many(
        causes,
        &format!("{at}.filters"),
        array(&backend["filters"]),
        MAX_FILTERS,
    );
}

fn too_many(causes: &mut Vec<String>, at: &str, items: &[Value], max: usize) {
    if items.len() > max {
        causes.push(format!(
            "{at}: Too many: {}: must have at most {max} items",
            items.len()
        ));
    }
}

fn one_of(causes: &mut Vec<String>, at: &str, seen: &Value, accepted: &[&str]) {
    if seen.is_null() || seen.as_str().is_some_and(|s| accepted.contains(&s)) {
        return;
    }
    causes.push(format!(
        "{at}: Unsupported value: {seen}: supported values: {accepted:?}"
    ));
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn backend(weight: i64) -> Value {
        json!({"name": "web", "port": 80, "weight": weight})
    }

    #[test]
    fn what_the_schema_refuses() {
        let path = |n: usize| {
            (0..n)
                .map(|i| json!({"path": {"value": format!("/{i}")}}))
                .collect::<Vec<_>>()
        };
        let cases = [
            (
                json!({"rules": [{"backendRefs": [backend(0), backend(MAX_WEIGHT)]}]}),
                "",
            ),
            (
                json!({"rules": [{"backendRefs": [backend(-1)]}]}),
                "spec.rules[0].backendRefs[0].weight",
            ),
            (
                json!({"rules": [{"backendRefs": [backend(MAX_WEIGHT + 1)]}]}),
                "less than or equal to 1000000",
            ),
            (
                json!({"rules": [{"backendRefs": [{"name": "web"}]}]}),
                "Must have port",
            ),
            (json!({"rules": vec![json!({}); 17]}), "spec.rules: Too many: 17"),
            (
                json!({"rules": [{"matches": path(65)}]}),
                "spec.rules[0].matches: Too many: 65",
            ),
            (
                json!({"rules": [{"matches": path(64)}, {"matches": path(64)}, {}]}),
                "across all rules",
            ),
            (
                json!({"rules": [{"name": "a"}, {"name": "a"}]}),
                "Rule name must be unique",
            ),
            (
                json!({"rules": [{"matches": [{"headers": [{"name": "x", "value": "1"}, {"name": "x", "value": "2"}]}]}]}),
                "spec.rules[0].matches[0].headers[1]: Duplicate value",
            ),
            (
                json!({"rules": [{"matches": [{"headers": [{"name": "x", "value": "1", "type": "Prefix"}]}]}]}),
                "headers[0].type: Unsupported value",
            ),
        ];
        for (spec, want) in cases {
            let causes = http_route(&json!({ "spec": spec })).join("\n");
            assert!(
                if want.is_empty() {
                    causes.is_empty()
                } else {
                    causes.contains(want)
                },
                "{want}: {causes}"
            );
        }
    }
}
