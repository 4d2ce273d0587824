//! Manifests: YAML streams as JSON values.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The objects of a YAML stream, without its empty documents.
///
/// Limit: plain scalars are read as YAML 1.2 plus the words `yes`, `no`, `on`, `off` for booleans; `0644` is 644 here
/// and 420 in Kubernetes. Manifests of the tests quote such things.
///
/// # Errors
/// The parser's message with the position.
pub fn parse(text: &str) -> Result<Vec<Value>> {
    // Definitions of custom resources are larger than the defaults that protect a server allow.
    let options = serde_saphyr::options! { budget: None };
    Ok(serde_saphyr::from_multiple_with_options(text, options)?)
}

/// The objects of all files of a folder whose names begin with `prefix` and end with `suffix`, in the order of names;
/// or of one file.
///
/// # Errors
/// When a file cannot be read or parsed, naming it.
pub fn read(path: &Path, prefix: &str, suffix: &str) -> Result<Vec<Value>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
        files = entries.iter().map(std::fs::DirEntry::path).collect();
        files.retain(|file| {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.starts_with(prefix) && name.ends_with(suffix)
        });
        files.sort();
    }
    let mut objects = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        objects.extend(parse(&text).with_context(|| format!("parse {}", file.display()))?);
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_documents_are_no_objects() {
        let objects =
            parse("---\n# only a comment\n---\nkind: A\n---\n\n---\nkind: B\nweight: 20\nname: '20'\n")
                .unwrap();
        assert_eq!(
            objects,
            [
                json!({"kind": "A"}),
                json!({"kind": "B", "weight": 20, "name": "20"})
            ]
        );
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "a: [").unwrap();
        let error = format!("{:#}", read(folder.path(), "", ".yaml").unwrap_err());
        assert!(error.contains("a.yaml"), "{error}");
    }

    #[test]
    fn prefix_and_suffix_choose_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["gateway.yaml", "gateway.txt", "kustomization.yaml"] {
            std::fs::write(folder.path().join(name), format!("name: {name}")).unwrap();
        }
        assert_eq!(
            read(folder.path(), "gateway", ".yaml").unwrap(),
            [json!({"name": "gateway.yaml"})]
        );
    }
}
