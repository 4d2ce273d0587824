//! `check`: a measurement before anything is deployed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use rollouts_plugin::types::{AnalysisPhase, Measurement};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::table::table;
use super::template::{Case, Templates};
use super::{Output, print};
use crate::config::duration;
use crate::judge;
use crate::measure::{self, Engine, Finished, Progress, Subject};
use crate::plan;

/// Resolve the arguments of AnalysisTemplates, check fields and conditions, measure once and say why.
///
/// Exit codes: 0 every metric is Successful, 1 one has Failed, 3 one is Inconclusive, 4 one could not be measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    templates: Templates,
    /// Read Datadog's answer from this file instead of asking.
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
    /// Check fields and conditions alone; ask nothing.
    #[arg(long, conflicts_with = "answer")]
    offline: bool,
    /// How long to go on while Datadog throttles or a gate is being evaluated.
    #[arg(long, default_value = "30s", value_parser = patience)]
    wait: Duration,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// The outcome of one metric.
struct Checked {
    template: String,
    metric: String,
    measurement: Measurement,
}

impl Check {
    /// Checks all metrics and prints what they say.
    ///
    /// # Errors
    /// Where the file or the recorded answer cannot be read.
    pub(crate) async fn run(&self, engine: &Engine) -> anyhow::Result<ExitCode> {
        let recorded = match &self.answer {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                Some(
                    serde_json::from_str::<Value>(&text)
                        .with_context(|| format!("{} is no JSON", path.display()))?,
                )
            }
        };
        let mut results = Vec::new();
        for case in self.templates.read()? {
            let measurement = self.measure(engine, &case, recorded.as_ref()).await;
            results.push(Checked {
                template: case.run.metadata.name.clone(),
                metric: case.metric.name.clone(),
                measurement,
            });
        }
        match self.output {
            Output::Table => print(&render_table(&results))?,
            Output::Json => print(&format!("{:#}\n", render_json(&results)))?,
        }
        Ok(ExitCode::from(exit_code(
            results.iter().map(|result| &result.measurement.phase),
        )))
    }

    async fn measure(&self, engine: &Engine, case: &Case, recorded: Option<&Value>) -> Measurement {
        let began = Timestamp::now();
        let broken = |why: String| Measurement {
            phase: AnalysisPhase::Error,
            message: why,
            ..Measurement::default()
        };
        let mut subject = match Subject::read(&case.run, &case.metric) {
            Ok(subject) => subject,
            Err(why) => return broken(why),
        };
        if let Err(why) = judge::check_conditions(&subject.config, subject.conditions()) {
            return broken(subject.redactor.clean(&why));
        }
        if self.offline {
            let message = "fields and conditions are well formed; nothing was asked".to_owned();
            return Measurement {
                phase: AnalysisPhase::Successful,
                message,
                ..Measurement::default()
            };
        }
        if let Some(body) = recorded {
            let reading = match measure::read_recorded(&subject.config, body, began.as_second()) {
                Ok(reading) => reading,
                Err(failure) => return broken(subject.redactor.clean(&failure.to_string())),
            };
            let verdict = judge::judge(&subject.config, subject.conditions(), &reading);
            let finished = Finished {
                verdict,
                account: None,
                window: None,
            };
            return measure::finished(&subject, &finished, began, Timestamp::now());
        }
        let on_error = &mut subject.config.on_error;
        on_error.retry_for = on_error.retry_for.min(self.wait);
        let (progress, _watching) = watch::channel(Progress::default());
        let finished = match tokio::time::timeout(
            self.wait + subject.config.request_timeout,
            engine.measure(&subject, began, true, &progress),
        )
        .await
        {
            Ok(finished) => finished,
            Err(_) => {
                return broken(format!(
                    "no verdict within {} (--wait)",
                    duration::render(self.wait)
                ));
            }
        };
        let mut measurement = measure::finished(&subject, &finished, began, Timestamp::now());
        if let Some(account) = &finished.account {
            measurement
                .metadata
                .insert("keys".to_owned(), account.origin.clone());
            let endpoint = measure::plan_calls(&subject.config, plan::Window { from: 0, to: 1 })[0].endpoint;
            measurement.metadata.insert(
                "endpoint".to_owned(),
                format!("{} at {}", endpoint.name(), account.api),
            );
        }
        measurement
    }
}

fn render_table(results: &[Checked]) -> String {
    let mut rows = vec![
        ["TEMPLATE", "METRIC", "PHASE", "VALUE", "WHY"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for Checked {
        template,
        metric,
        measurement,
    } in results
    {
        let mut lines = measurement.message.lines();
        let value: String = measurement.value.chars().take(40).collect();
        rows.push(vec![
            template.clone(),
            metric.clone(),
            measurement.phase.as_str().to_owned(),
            value,
            lines.next().unwrap_or_default().to_owned(),
        ]);
    }
    let mut text = table(&rows);
    for Checked {
        metric, measurement, ..
    } in results
    {
        let more: Vec<&str> = measurement.message.lines().skip(1).collect();
        if measurement.metadata.is_empty() && more.is_empty() {
            continue;
        }
        text.push_str(&format!("\n{metric}\n"));
        for line in more {
            text.push_str(&format!("  {line}\n"));
        }
        for (name, value) in &measurement.metadata {
            text.push_str(&format!("  {name}: {value}\n"));
        }
    }
    text
}

fn render_json(results: &[Checked]) -> Value {
    results
        .iter()
        .map(
            |Checked {
                 template,
                 metric,
                 measurement,
             }| {
                json!({
                    "template": template,
                    "metric": metric,
                    "phase": measurement.phase.as_str(),
                    "value": measurement.value,
                    "message": measurement.message,
                    "metadata": measurement.metadata,
                })
            },
        )
        .collect()
}

/// The worst phase decides.
fn exit_code<'a>(phases: impl Iterator<Item = &'a AnalysisPhase>) -> u8 {
    let code = |phase: &AnalysisPhase| match phase {
        AnalysisPhase::Successful => 0,
        AnalysisPhase::Inconclusive => 3,
        AnalysisPhase::Failed => 1,
        _ => 4,
    };
    let rank = |code: &u8| [0, 3, 1, 4].iter().position(|known| known == code);
    phases.map(code).max_by_key(rank).unwrap_or(0)
}

fn patience(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|why| format!("write a duration such as 30s ({why})"))
}
