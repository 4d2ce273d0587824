//! How manifests are made: the fields of `spec.source.helm`, `.kustomize` and `.directory` of an Application, which
//! cannot stand beside `plugin` there.

use serde_json::{Map, Value};

use super::RenderError;
use crate::syntax::nearest;

/// What makes the manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `helm template`.
    Helm,
    /// `kustomize build`.
    Kustomize,
    /// The files as they are.
    Directory,
}

/// Everything that says how manifests are made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// The tool, where it is not found out from the files.
    pub tool: Option<Tool>,
    /// For [`Tool::Helm`].
    pub helm: HelmOptions,
    /// For [`Tool::Kustomize`].
    pub kustomize: KustomizeOptions,
    /// For [`Tool::Directory`].
    pub directory: DirectoryOptions,
}

/// `spec.source.helm`.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields of Argo CD's ApplicationSourceHelm, by their names"
)]
pub struct HelmOptions {
    pub release_name: Option<String>,
    pub namespace: Option<String>,
    pub value_files: Vec<String>,
    pub ignore_missing_value_files: bool,
    pub values: Option<String>,
    pub values_object: Option<Value>,
    pub parameters: Vec<Parameter>,
    pub file_parameters: Vec<(String, String)>,
    pub skip_crds: bool,
    pub skip_schema_validation: bool,
    pub skip_tests: bool,
    pub kube_version: Option<String>,
    pub api_versions: Vec<String>,
}

/// An entry of `spec.source.helm.parameters`.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields of Argo CD's HelmParameter, by their names"
)]
pub struct Parameter {
    pub name: String,
    pub value: String,
    pub force_string: bool,
}

/// `spec.source.kustomize`, and `buildOptions`, which only the operator sets.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields of Argo CD's ApplicationSourceKustomize, by their names"
)]
pub struct KustomizeOptions {
    pub name_prefix: Option<String>,
    pub name_suffix: Option<String>,
    pub namespace: Option<String>,
    pub images: Vec<String>,
    pub replicas: Vec<(String, i64)>,
    pub common_labels: Vec<(String, String)>,
    pub common_annotations: Vec<(String, String)>,
    pub common_annotations_envsubst: bool,
    pub force_common_labels: bool,
    pub force_common_annotations: bool,
    pub label_without_selector: bool,
    pub label_include_templates: bool,
    pub components: Vec<String>,
    pub ignore_missing_components: bool,
    pub patches: Vec<Value>,
    pub kube_version: Option<String>,
    pub api_versions: Vec<String>,
    pub build_options: Vec<String>,
}

/// `spec.source.directory`.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields of Argo CD's ApplicationSourceDirectory, by their names"
)]
pub struct DirectoryOptions {
    pub recurse: bool,
    pub include: Option<String>,
    pub exclude: Option<String>,
    /// Name of a Jsonnet setting, where there is one: it cannot be obeyed.
    pub jsonnet: Option<String>,
}

impl Options {
    /// Reads the four fields of the settings.
    ///
    /// # Errors
    /// [`RenderError::Option`] names the field, the value seen and what it takes.
    pub fn read(map: &Map<String, Value>) -> Result<Options, RenderError> {
        read(map).map_err(RenderError::Option)
    }
}

fn read(map: &Map<String, Value>) -> Result<Options, String> {
    let mut options = Options::default();
    for (section, value) in map {
        if section == "source" {
            options.tool = Some(match value.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("helm") => Tool::Helm,
                Some("kustomize") => Tool::Kustomize,
                Some("directory") => Tool::Directory,
                _ => {
                    return Err(format!(
                        "source is {value}; it takes helm, kustomize or directory"
                    ));
                }
            });
            continue;
        }
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => continue,
            other => {
                return Err(format!(
                    "{section} is {other}; it takes fields like spec.source.{section}"
                ));
            }
        };
        for (field, value) in fields {
            let at = Field {
                name: format!("{section}.{field}"),
                value,
            };
            match section.as_str() {
                "helm" => options.helm.set(field, &at)?,
                "kustomize" => options.kustomize.set(field, &at)?,
                _ => options.directory.set(field, &at)?,
            }
        }
    }
    Ok(options)
}

impl HelmOptions {
    fn set(&mut self, field: &str, at: &Field<'_>) -> Result<(), String> {
        match field {
            "releaseName" => self.release_name = at.text()?,
            "namespace" => self.namespace = at.text()?,
            "valueFiles" => self.value_files = at.texts()?,
            "ignoreMissingValueFiles" => self.ignore_missing_value_files = at.boolean()?,
            "values" => self.values = at.text()?,
            "valuesObject" => self.values_object = Some(at.mapping()?),
            "parameters" => self.parameters = at.parameters()?,
            "fileParameters" => self.file_parameters = at.pairs("path")?,
            "skipCrds" => self.skip_crds = at.boolean()?,
            "skipSchemaValidation" => self.skip_schema_validation = at.boolean()?,
            "skipTests" => self.skip_tests = at.boolean()?,
            "kubeVersion" => self.kube_version = at.text()?,
            "apiVersions" => self.api_versions = at.texts()?,
            // Credentials of repositories never reach a plugin, so there are none to pass.
            "passCredentials" => {
                at.boolean()?;
            }
            "version" if matches!(at.text()?.as_deref(), None | Some("v3")) => {}
            "version" => return Err(format!("{} is {}; only v3 is known", at.name, at.value)),
            _ => {
                return Err(at.unknown(&[
                    "releaseName",
                    "namespace",
                    "valueFiles",
                    "ignoreMissingValueFiles",
                    "values",
                    "valuesObject",
                    "parameters",
                    "fileParameters",
                    "skipCrds",
                    "skipSchemaValidation",
                    "skipTests",
                    "kubeVersion",
                    "apiVersions",
                ]));
            }
        }
        Ok(())
    }
}

impl KustomizeOptions {
    fn set(&mut self, field: &str, at: &Field<'_>) -> Result<(), String> {
        match field {
            "namePrefix" => self.name_prefix = at.text()?,
            "nameSuffix" => self.name_suffix = at.text()?,
            "namespace" => self.namespace = at.text()?,
            "images" => self.images = at.texts()?,
            "replicas" => self.replicas = at.replicas()?,
            "commonLabels" => self.common_labels = at.pairs("value")?,
            "commonAnnotations" => self.common_annotations = at.pairs("value")?,
            "commonAnnotationsEnvsubst" => self.common_annotations_envsubst = at.boolean()?,
            "forceCommonLabels" => self.force_common_labels = at.boolean()?,
            "forceCommonAnnotations" => self.force_common_annotations = at.boolean()?,
            "labelWithoutSelector" => self.label_without_selector = at.boolean()?,
            "labelIncludeTemplates" => self.label_include_templates = at.boolean()?,
            "components" => self.components = at.texts()?,
            "ignoreMissingComponents" => self.ignore_missing_components = at.boolean()?,
            "patches" => self.patches = at.list()?,
            "kubeVersion" => self.kube_version = at.text()?,
            "apiVersions" => self.api_versions = at.texts()?,
            "buildOptions" => {
                let words = at.text()?.unwrap_or_default();
                self.build_options = words.split_whitespace().map(str::to_owned).collect();
            }
            "version" => {
                return Err(format!(
                    "{} is {}; this plugin has one kustomize, the one beside it",
                    at.name, at.value
                ));
            }
            _ => {
                return Err(at.unknown(&[
                    "namePrefix",
                    "nameSuffix",
                    "namespace",
                    "images",
                    "replicas",
                    "commonLabels",
                    "commonAnnotations",
                    "commonAnnotationsEnvsubst",
                    "forceCommonLabels",
                    "forceCommonAnnotations",
                    "labelWithoutSelector",
                    "labelIncludeTemplates",
                    "components",
                    "ignoreMissingComponents",
                    "patches",
                    "kubeVersion",
                    "apiVersions",
                ]));
            }
        }
        Ok(())
    }
}

impl DirectoryOptions {
    fn set(&mut self, field: &str, at: &Field<'_>) -> Result<(), String> {
        match field {
            "recurse" => self.recurse = at.boolean()?,
            "include" => self.include = at.text()?,
            "exclude" => self.exclude = at.text()?,
            "jsonnet" => {
                let used = at.value.as_object().and_then(|map| map.keys().next());
                self.jsonnet = used.map(|key| format!("jsonnet.{key}"));
            }
            _ => return Err(at.unknown(&["recurse", "include", "exclude"])),
        }
        Ok(())
    }
}

/// A field's value and its name for messages. Plugin parameters carry only text, so text is taken for all.
struct Field<'v> {
    name: String,
    value: &'v Value,
}

impl Field<'_> {
    fn wrong(&self, takes: &str) -> String {
        format!("{} is {}; it takes {takes}", self.name, self.value)
    }

    fn unknown(&self, known: &[&'static str]) -> String {
        let (section, field) = self.name.split_once('.').unwrap_or(("", &self.name));
        match nearest(field, known.iter().copied()) {
            Some(near) => format!("unknown field {}; did you mean {section}.{near}?", self.name),
            None => format!("unknown field {}; fields are {}", self.name, known.join(", ")),
        }
    }

    /// Text from a plugin parameter that stands for a list or a mapping.
    fn structured(&self) -> Result<Value, String> {
        match self.value {
            Value::String(text) => crate::edit::read(text).map_err(|e| format!("{}: {e}", self.name)),
            other => Ok(other.clone()),
        }
    }

    fn text(&self) -> Result<Option<String>, String> {
        match self.value {
            Value::String(text) => Ok(Some(text.clone()).filter(|t| !t.is_empty())),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Null => Ok(None),
            _ => Err(self.wrong("text")),
        }
    }

    fn boolean(&self) -> Result<bool, String> {
        match self.value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" | "" => Ok(false),
                _ => Err(self.wrong("true or false")),
            },
            _ => Err(self.wrong("true or false")),
        }
    }

    fn texts(&self) -> Result<Vec<String>, String> {
        let one = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match self.value {
            Value::Array(list) => {
                let texts = list.iter().map(one).collect::<Option<Vec<_>>>();
                // The web UI appends empty items.
                let texts = texts.ok_or_else(|| self.wrong("a list of text"))?;
                Ok(texts.into_iter().filter(|t| !t.is_empty()).collect())
            }
            Value::String(text) if text.trim_start().starts_with('[') => Field {
                name: self.name.clone(),
                value: &self.structured()?,
            }
            .texts(),
            Value::String(text) => {
                let parts = text.split([',', '\n']).map(str::trim).filter(|t| !t.is_empty());
                Ok(parts.map(str::to_owned).collect())
            }
            _ => Err(self.wrong("a list of text")),
        }
    }

    fn list(&self) -> Result<Vec<Value>, String> {
        match self.structured()? {
            Value::Array(list) => Ok(list),
            _ => Err(self.wrong("a list")),
        }
    }

    fn mapping(&self) -> Result<Value, String> {
        let value = self.structured()?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(self.wrong("a mapping"))
        }
    }

    /// A mapping, or a list of entries with `name` and another field.
    fn pairs(&self, other: &str) -> Result<Vec<(String, String)>, String> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::Null => Some(String::new()),
            _ => None,
        };
        let pairs = match self.structured()? {
            Value::Object(map) => map.iter().map(|(k, v)| Some((k.clone(), text(v)?))).collect(),
            Value::Array(list) => list
                .iter()
                .map(|e| Some((text(&e["name"])?, text(&e[other])?)))
                .collect(),
            _ => None,
        };
        pairs.ok_or_else(|| self.wrong(&format!("a mapping, or a list of name and {other}")))
    }

    fn parameters(&self) -> Result<Vec<Parameter>, String> {
        let force: Vec<bool> = match self.structured()? {
            Value::Array(list) => list.iter().map(|e| e["forceString"] == true).collect(),
            _ => Vec::new(),
        };
        let pairs = self.pairs("value")?.into_iter().enumerate();
        Ok(pairs
            .map(|(n, (name, value))| Parameter {
                name,
                value,
                force_string: force.get(n).copied().unwrap_or(false),
            })
            .collect())
    }

    fn replicas(&self) -> Result<Vec<(String, i64)>, String> {
        let count = |text: &str| text.parse::<i64>().ok().filter(|n| *n >= 0);
        let pairs = self.pairs("count")?.into_iter();
        let pairs = pairs
            .map(|(name, text)| Some((name, count(&text)?)))
            .collect::<Option<_>>();
        pairs.ok_or_else(|| self.wrong("whole numbers by name"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(value: &Value) -> Result<Options, String> {
        read(value.as_object().unwrap())
    }

    #[test]
    fn the_shapes_of_an_application_and_of_parameters_mean_the_same() {
        let application = json!({"helm": {"releaseName": "r", "valueFiles": ["a", "b"], "parameters": [
            {"name": "x", "value": "1"}], "skipCrds": true, "valuesObject": {"a": 1}}});
        let parameters = json!({"helm": {"releaseName": "r", "valueFiles": "a, b", "parameters": {"x": "1"},
            "skipCrds": "true", "valuesObject": "a: 1"}});
        let read = options(&application).unwrap();
        assert_eq!(read, options(&parameters).unwrap());
        assert_eq!(read.helm.value_files, ["a", "b"]);
        let json = options(&json!({"helm": {"valueFiles": "[\"a\", \"b,c\"]"}})).unwrap();
        assert_eq!(json.helm.value_files, ["a", "b,c"]);
        let forced =
            options(&json!({"helm": {"parameters": [{"name": "x", "value": "1", "forceString": true}]}}));
        assert!(forced.unwrap().helm.parameters[0].force_string);

        let kustomize = json!({"kustomize": {"images": ["a=b:1"], "replicas": [{"name": "w", "count": 2}],
            "commonLabels": {"a": "b"}, "patches": "- patch: x\n"}, "source": "kustomize"});
        let read = options(&kustomize).unwrap();
        assert_eq!(read.tool, Some(Tool::Kustomize));
        assert_eq!(read.kustomize.replicas, [("w".to_owned(), 2)]);
        assert_eq!(read.kustomize.patches.len(), 1);
    }

    #[test]
    fn mistakes_name_the_field() {
        for (value, expected) in [
            (
                json!({"helm": {"valueFile": "a"}}),
                "unknown field helm.valueFile; did you mean helm.valueFiles?",
            ),
            (
                json!({"helm": {"skipCrds": "perhaps"}}),
                "helm.skipCrds is \"perhaps\"; it takes true or false",
            ),
            (
                json!({"helm": 5}),
                "helm is 5; it takes fields like spec.source.helm",
            ),
            (
                json!({"helm": {"version": "v2"}}),
                "helm.version is \"v2\"; only v3 is known",
            ),
            (
                json!({"kustomize": {"replicas": {"a": "x"}}}),
                "kustomize.replicas is {\"a\":\"x\"}; it takes whole numbers by name",
            ),
            (
                json!({"directory": {"recurs": true}}),
                "unknown field directory.recurs; did you mean directory.recurse?",
            ),
            (
                json!({"source": "ksonnet"}),
                "source is \"ksonnet\"; it takes helm, kustomize or directory",
            ),
        ] {
            assert_eq!(options(&value).unwrap_err(), expected);
        }
    }
}
