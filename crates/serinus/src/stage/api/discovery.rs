//! The discovery documents, as `kubectl api-resources` and client libraries read them.

use serde_json::{Value, json};

use super::resource::{RESOURCES, Resource};

/// `/version`. The version is that of the API server whose behaviour the stage follows.
pub fn version() -> Value {
    json!({
        "major": "1", "minor": "35", "gitVersion": "v1.35.0+serinus-stage",
        "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "rustc", "platform": "stage",
    })
}

/// `/api`
pub fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`
pub fn groups() -> Value {
    let mut names: Vec<&str> = RESOURCES
        .iter()
        .map(|r| r.group)
        .filter(|g| !g.is_empty())
        .collect();
    names.dedup();
    let groups: Vec<Value> = names.into_iter().map(group_entry).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`
pub fn group(name: &str) -> Value {
    let mut entry = group_entry(name);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    entry
}

/// `/api/v1`, `/apis/<group>/<version>`
pub fn resources(group: &str, version: &str) -> Value {
    let mut list = Vec::new();
    for r in RESOURCES
        .iter()
        .filter(|r| r.group == group && r.versions.contains(&version))
    {
        list.push(resource_entry(r, ""));
        if r.status {
            list.push(resource_entry(r, "/status"));
        }
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list})
}

fn group_entry(name: &str) -> Value {
    let mut versions: Vec<&str> = RESOURCES
        .iter()
        .filter(|r| r.group == name)
        .flat_map(|r| r.versions)
        .copied()
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let versions: Vec<Value> = versions
        .into_iter()
        .map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

fn resource_entry(r: &Resource, suffix: &str) -> Value {
    let verbs: &[&str] = if suffix.is_empty() {
        &["create", "delete", "get", "list", "patch", "update", "watch"]
    } else {
        &["get", "patch", "update"]
    };
    json!({
        "name": format!("{}{suffix}", r.plural), "singularName": "", "namespaced": r.namespaced, "kind": r.kind,
        "verbs": verbs,
    })
}
