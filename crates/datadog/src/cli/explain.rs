//! `explain`: what would be sent.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::template::Templates;
use super::{Output, print};
use crate::measure::{self, Redactor, Subject};
use crate::plan::{self, Method};

/// Print the requests of AnalysisTemplates without sending them.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    templates: Templates,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

impl Explain {
    /// Prints; fails where a template is wrong.
    ///
    /// # Errors
    /// What is wrong with a template.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let now = Timestamp::now();
        let mut explained = Vec::new();
        for case in self.templates.read()? {
            let subject = Subject::read(&case.run, &case.metric).map_err(|why| {
                anyhow::anyhow!("{}, metric {}: {why}", case.run.metadata.name, case.metric.name)
            })?;
            let window = plan::plan_window(&subject.config, subject.clock(now.as_second()));
            let calls: Vec<Value> = measure::plan_calls(&subject.config, window)
                .iter()
                .map(|call| {
                    let parameters: Vec<String> =
                        call.parameters.iter().map(|(name, value)| format!("{name}={}", plan::link::encode(value))).collect();
                    let path = match parameters.is_empty() {
                        true => call.path.clone(),
                        false => format!("{}?{}", call.path, parameters.join("&")),
                    };
                    let method = match call.method {
                        Method::Get => "GET",
                        Method::Post => "POST",
                    };
                    json!({ "method": method, "path": path, "body": call.body, "permission": call.endpoint.permission() })
                })
                .collect();
            let about = measure::describe(&subject.config, Some(window), None);
            let mut one = json!({
                "template": case.run.metadata.name,
                "metric": case.metric.name,
                "source": subject.config.source.kind(),
                "about": about,
                "requests": calls,
            });
            // It may end up in the log of a pipeline.
            clean(&mut one, &subject.redactor);
            explained.push(one);
        }
        match self.output {
            Output::Json => print(&format!("{:#}\n", Value::from(explained)))?,
            Output::Table => {
                for one in &explained {
                    print(&text(one))?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Hides secret arguments in every text of a value.
fn clean(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.clean(text),
        Value::Array(items) => items.iter_mut().for_each(|item| clean(item, redactor)),
        Value::Object(entries) => entries.values_mut().for_each(|value| clean(value, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn text(one: &Value) -> String {
    let word = |name: &str| one[name].as_str().unwrap_or_default();
    let mut text = format!(
        "{}, metric {} ({})\n",
        word("template"),
        word("metric"),
        word("source")
    );
    for (name, about) in one["about"].as_object().into_iter().flatten() {
        text.push_str(&format!("  {name}: {}\n", about.as_str().unwrap_or_default()));
    }
    for call in one["requests"].as_array().into_iter().flatten() {
        let word = |name: &str| call[name].as_str().unwrap_or_default();
        text.push_str(&format!(
            "  {} {}\n  permission of the application key: {}\n",
            word("method"),
            word("path"),
            word("permission")
        ));
        if !call["body"].is_null() {
            for line in format!("{:#}", call["body"]).lines() {
                text.push_str(&format!("    {line}\n"));
            }
        }
    }
    text
}
