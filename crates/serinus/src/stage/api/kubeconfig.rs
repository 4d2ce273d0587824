//! The file by which a plugin finds the stage's API.

use std::io;
use std::path::Path;

use serde_json::json;

/// Writes a kubeconfig for `url` (JSON, which is YAML). `KUBECONFIG` in the plugin's environment names the file.
pub fn write(path: &Path, url: &str, namespace: &str) -> io::Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "stage", "cluster": {"server": url}}],
        "users": [{"name": "stage", "user": {}}],
        "contexts": [{"name": "stage", "context": {"cluster": "stage", "user": "stage", "namespace": namespace}}],
        "current-context": "stage",
    });
    std::fs::write(path, format!("{config:#}\n"))
}
