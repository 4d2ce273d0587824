//! `doctor`: are the keys good, and good for what?

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::table::table;
use super::{Output, print};
use crate::client::{Account, Failure};
use crate::config::{Formulas, NamedQuery, Scalar, SecretRef, Site};
use crate::measure::{Engine, Redactor};
use crate::plan::{self, Ask, Call, Endpoint, Method, Window};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Check keys, site, permissions and rate limits.
///
/// Exit codes: 0 all is well, 1 something is missing that some metrics need, 4 the keys are not usable.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// A Secret with api-key and app-key, as namespace/name; otherwise the environment and then the Secret datadog.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    secret: Option<String>,
    /// The Datadog site, where neither Secret nor DD_SITE name it.
    #[arg(long)]
    site: Option<String>,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// One finding.
struct Finding {
    what: &'static str,
    good: bool,
    /// Whether nothing works without it.
    vital: bool,
    text: String,
}

impl Doctor {
    /// Looks at everything and prints what it finds.
    ///
    /// # Errors
    /// Where a flag is wrong.
    pub(crate) async fn run(&self, engine: &Engine) -> anyhow::Result<ExitCode> {
        let site = self
            .site
            .as_deref()
            .map(|text| {
                Site::parse(text)
                    .map_err(|expected| anyhow::anyhow!("--site: {text:?} is not accepted; write {expected}"))
            })
            .transpose()?;
        let (namespace, secret) = match self.secret.as_deref().map(|text| (text, text.split_once('/'))) {
            None => (String::new(), None),
            Some((_, Some((namespace, name)))) => (
                namespace.to_owned(),
                Some(SecretRef {
                    name: name.to_owned(),
                    namespaced: true,
                }),
            ),
            Some((text, None)) => anyhow::bail!("--secret: {text:?} is not accepted; write NAMESPACE/NAME"),
        };
        let findings = match engine
            .credentials
            .account(secret.as_ref(), site, &namespace)
            .await
        {
            Err(failure) => vec![Finding {
                what: "keys",
                good: false,
                vital: true,
                text: failure.to_string(),
            }],
            Ok(account) => examine(engine, &account).await,
        };
        match self.output {
            Output::Table => {
                let rows: Vec<Vec<String>> = findings
                    .iter()
                    .map(|finding| {
                        vec![
                            if finding.good { "ok" } else { "PROBLEM" }.to_owned(),
                            finding.what.to_owned(),
                            finding.text.clone(),
                        ]
                    })
                    .collect();
                print(&table(&rows))?;
            }
            Output::Json => {
                let findings: Value = findings
                    .iter()
                    .map(|finding| json!({ "what": finding.what, "ok": finding.good, "text": finding.text }))
                    .collect();
                print(&format!("{findings:#}\n"))?;
            }
        }
        let bad = |vital: bool| {
            findings
                .iter()
                .any(|finding| !finding.good && finding.vital == vital)
        };
        Ok(ExitCode::from(if bad(true) { 4 } else { u8::from(bad(false)) }))
    }
}

async fn examine(engine: &Engine, account: &Arc<Account>) -> Vec<Finding> {
    let redactor = Redactor::default().with_account(account);
    let mut findings = vec![Finding {
        what: "keys",
        good: true,
        vital: true,
        text: format!("from {}", account.origin),
    }];
    let encrypted = account.api.starts_with("https://");
    let address = if encrypted {
        account.api.clone()
    } else {
        format!("{}: the keys travel in the clear", account.api)
    };
    findings.push(Finding {
        what: "address",
        good: encrypted,
        vital: false,
        text: address,
    });
    let validate = Call {
        endpoint: Endpoint::Validate,
        method: Method::Get,
        path: "/api/v1/validate".to_owned(),
        parameters: Vec::new(),
        body: None,
    };
    let to = Timestamp::now().as_second();
    let window = Window { from: to - 300, to };
    let probes = [
        ("API key", true, validate),
        (
            "metrics, v1",
            false,
            plan::v1(&["avg:datadog.agent.running{*}"], window),
        ),
        ("queries, v2", false, plan::scalar(&probe(), window)),
        ("monitors", false, plan::monitor_search("status:alert", 0)),
    ];
    for (what, vital, call) in probes {
        let permission = call.endpoint.permission();
        let outcome = engine.exchange.call(account, &call, TIMEOUT).await;
        let (good, text) = match outcome {
            Ok(_) => (true, "accepted".to_owned()),
            Err(Failure::Unauthorized { status, why }) if vital => (
                false,
                format!("status {status}: {why}; is it a key of this site?"),
            ),
            Err(Failure::Unauthorized { status, why }) => (
                false,
                format!("status {status}: {why}; the application key needs the permission {permission}"),
            ),
            Err(failure) => (false, failure.to_string()),
        };
        let budget = engine.exchange.budget_left(account, call.endpoint);
        let budget = budget
            .map(|budget| format!("; rate limit: {budget}"))
            .unwrap_or_default();
        findings.push(Finding {
            what,
            good,
            vital,
            text: redactor.clean(&format!("{text}{budget}")),
        });
        if vital && !good {
            break;
        }
    }
    findings
}

fn probe() -> Ask {
    let body =
        json!({ "data_source": "metrics", "aggregator": "avg", "query": "avg:datadog.agent.running{*}" });
    let body = body.as_object().cloned().unwrap_or_default();
    let queries = vec![NamedQuery {
        name: "probe".to_owned(),
        body,
    }];
    Ask::of(&Scalar {
        queries,
        formulas: Formulas::Query,
        guard: None,
    })
}
