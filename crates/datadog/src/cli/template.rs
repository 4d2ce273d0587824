//! AnalysisTemplates from files, with their arguments resolved.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use rollouts_plugin::types::{AnalysisRun, Metric};
use serde_json::{Value, json};

use crate::yaml;

/// Which templates, and what their arguments are.
#[derive(Debug, clap::Args)]
pub(crate) struct Templates {
    /// File with AnalysisTemplates, ClusterAnalysisTemplates or AnalysisRuns; - is standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Value of an argument; may be repeated.
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair)]
    args: Vec<(String, String)>,
    /// Only this metric.
    #[arg(long)]
    metric: Option<String>,
    /// The name under which the plugin is registered, where a template uses several plugins.
    #[arg(long)]
    plugin: Option<String>,
}

/// A metric as the controller would hand it over.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) run: AnalysisRun,
    pub(super) metric: Metric,
}

/// Kinds that have metrics.
const KINDS: [&str; 3] = ["AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun"];

impl Templates {
    pub(super) fn read(&self) -> anyhow::Result<Vec<Case>> {
        let text = match self.file.to_str() {
            Some("-") => std::io::read_to_string(std::io::stdin()).context("standard input")?,
            _ => std::fs::read_to_string(&self.file).with_context(|| self.file.display().to_string())?,
        };
        let documents =
            yaml::documents(&text).with_context(|| format!("{} is no YAML", self.file.display()))?;
        let given: BTreeMap<&str, &str> = self
            .args
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut cases = Vec::new();
        for document in documents
            .iter()
            .filter(|document| KINDS.iter().any(|kind| document["kind"] == *kind))
        {
            cases.extend(self.cases(document, &given)?);
        }
        match (cases.is_empty(), &self.metric) {
            (false, _) => Ok(cases),
            (true, Some(metric)) => bail!("{} has no metric {metric} of this plugin", self.file.display()),
            (true, None) => bail!(
                "{} has no metric of this plugin in {}",
                self.file.display(),
                KINDS.join(", ")
            ),
        }
    }

    fn cases(&self, document: &Value, given: &BTreeMap<&str, &str>) -> anyhow::Result<Vec<Case>> {
        let name = document
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or("unnamed");
        let metrics = document
            .pointer("/spec/metrics")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let ours: Vec<Value> = metrics.iter().filter_map(|metric| self.ours(metric)).collect();
        let arguments = arguments(document, given).with_context(|| name.to_owned())?;
        let run: AnalysisRun = serde_json::from_value(json!({
            "metadata": {
                "name": name,
                "namespace": document.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default"),
                "creationTimestamp": jiff::Timestamp::now().to_string(),
            },
            "spec": { "metrics": ours, "args": document.pointer("/spec/args").cloned().unwrap_or(json!([])) },
        }))
        .with_context(|| format!("{name}: spec"))?;
        let wanted = |metric: &&Value| {
            self.metric
                .as_ref()
                .is_none_or(|wanted| metric["name"] == wanted.as_str())
        };
        let mut cases = Vec::new();
        for metric in ours.iter().filter(wanted) {
            let mut metric = metric.clone();
            let title = metric["name"].as_str().unwrap_or("unnamed").to_owned();
            resolve(&mut metric, &arguments).with_context(|| format!("{name}, metric {title}"))?;
            let metric = serde_json::from_value(metric).with_context(|| format!("{name}, metric {title}"))?;
            cases.push(Case {
                run: run.clone(),
                metric,
            });
        }
        Ok(cases)
    }

    /// The metric if this plugin measures it. A block of the controller's own provider counts as well, so that it can
    /// be checked before it moves.
    fn ours(&self, metric: &Value) -> Option<Value> {
        let provider = metric.get("provider")?;
        let plugins = provider.get("plugin").and_then(Value::as_object);
        let (name, block) = match (plugins, provider.get("datadog")) {
            (Some(plugins), _) => match &self.plugin {
                Some(name) => plugins.get_key_value(name)?,
                None if plugins.len() == 1 => plugins.iter().next()?,
                None => plugins.iter().find(|(name, _)| name.contains("datadog"))?,
            },
            (None, Some(block)) => (&"datadog".to_owned(), block),
            (None, None) => return None,
        };
        let mut metric = metric.clone();
        metric["provider"] = json!({ "plugin": { name: block } });
        Some(metric)
    }
}

/// Values of the template's arguments. One that comes from a Secret or a field has to be given.
fn arguments(document: &Value, given: &BTreeMap<&str, &str>) -> anyhow::Result<BTreeMap<String, String>> {
    let declared = document
        .pointer("/spec/args")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut values = BTreeMap::new();
    for argument in declared {
        let name = argument["name"].as_str().unwrap_or_default();
        let own = argument.get("value").and_then(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        });
        if let Some(value) = given.get(name).map(|value| (*value).to_owned()).or(own) {
            values.insert(name.to_owned(), value);
        }
    }
    if let Some(unknown) = given
        .keys()
        .find(|name| !declared.iter().any(|argument| argument["name"] == **name))
    {
        let names: Vec<&str> = declared
            .iter()
            .filter_map(|argument| argument["name"].as_str())
            .collect();
        bail!(
            "--arg {unknown}: no such argument; spec.args has {}",
            names.join(", ")
        );
    }
    Ok(values)
}

/// Puts values into `{{args.name}}` (Go: `utils/template` `ResolveArgs`).
fn resolve(value: &mut Value, arguments: &BTreeMap<String, String>) -> anyhow::Result<()> {
    match value {
        Value::String(text) => {
            let mut resolved = String::new();
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once("{{") {
                let Some((inside, after)) = after.split_once("}}") else {
                    break;
                };
                let name = inside.trim();
                let Some(name) = name.strip_prefix("args.") else {
                    bail!("{{{{{name}}}}}: only {{{{args.<name>}}}} is resolved");
                };
                let Some(value) = arguments.get(name) else {
                    bail!("argument {name} has no value; write --arg {name}=…");
                };
                resolved.push_str(before);
                resolved.push_str(value);
                rest = after;
            }
            resolved.push_str(rest);
            *text = resolved;
        }
        Value::Array(items) => {
            for item in items {
                resolve(item, arguments)?;
            }
        }
        Value::Object(entries) => {
            for value in entries.values_mut() {
                resolve(value, arguments)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
