//! Keeping secrets out of everything that is shown.

use std::fmt;

use rollouts_plugin::types::{AnalysisRun, Metric};
use serde_json::Value;

use crate::client::Account;

/// What stands in the place of a secret. Go: `controller` `assessMetric…`, which redacts messages in the same way.
const STARS: &str = "*****";
/// Shorter secrets are not replaced in values and metadata: they would blank out digits and say more than they hide.
/// The controller itself replaces them in messages.
const SHORTEST: usize = 4;
/// What [`crate::judge::cut`] puts where it cuts.
const CUT: char = '…';

/// Replaces secrets in texts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    /// Finds the values of secret arguments. The controller hands over the metric with its arguments resolved, and the
    /// AnalysisRun with the template of it and the names of the arguments that come from Secrets, but not their values:
    /// these are found by laying the one over the other.
    pub fn of_arguments(
        run: &AnalysisRun,
        template: Option<&Metric>,
        metric: &Metric,
        block: &Value,
    ) -> Self {
        let is_secret = |argument: &&rollouts_plugin::types::Argument| {
            argument
                .value_from
                .as_ref()
                .is_some_and(|from| from.secret_key_ref.is_some())
        };
        let names: Vec<&str> = run
            .spec
            .args
            .iter()
            .filter(is_secret)
            .map(|argument| argument.name.as_str())
            .collect();
        let mut redactor = Self::default();
        let Some(template) = template.filter(|_| !names.is_empty()) else {
            return redactor;
        };
        if let Some(Ok(template)) = template
            .provider
            .plugin
            .values()
            .next()
            .map(rollouts_plugin::types::RawJson::parse::<Value>)
        {
            redactor.lay_over(&template, block, &names);
        }
        redactor.lay_over_text(&template.success_condition, &metric.success_condition, &names);
        redactor.lay_over_text(&template.failure_condition, &metric.failure_condition, &names);
        redactor
    }

    /// This redactor with an account's keys.
    pub fn with_account(mut self, account: &Account) -> Self {
        self.add(&account.api_key);
        self.add(&account.app_key);
        self
    }

    /// The text without secrets.
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), STARS);
            }
        }
        self.clean_cuts(text)
    }

    /// Where a text was cut short, what is left of a secret may stand before the dots.
    fn clean_cuts(&self, text: String) -> String {
        if self.secrets.is_empty() || !text.contains(CUT) {
            return text;
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut pieces = text.split(CUT).peekable();
        while let Some(piece) = pieces.next() {
            let is_cut = pieces.peek().is_some();
            let rest = self
                .secrets
                .iter()
                .filter_map(|secret| beginning_at_end(piece, secret))
                .max()
                .filter(|_| is_cut);
            match rest {
                Some(length) => {
                    cleaned.push_str(&piece[..piece.len() - length]);
                    cleaned.push_str(STARS);
                }
                None => cleaned.push_str(piece),
            }
            if is_cut {
                cleaned.push(CUT);
            }
        }
        cleaned
    }

    fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < SHORTEST || self.secrets.iter().any(|known| known == secret) {
            return;
        }
        self.secrets.push(secret.to_owned());
        // As it stands inside of JSON text and of addresses.
        for form in [
            Value::from(secret).to_string().trim_matches('"').to_owned(),
            crate::plan::link::encode(secret),
        ] {
            if form != secret {
                self.secrets.push(form);
            }
        }
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    fn lay_over(&mut self, template: &Value, resolved: &Value, names: &[&str]) {
        match (template, resolved) {
            (Value::String(template), Value::String(resolved)) => {
                self.lay_over_text(template, resolved, names);
            }
            (Value::Array(template), Value::Array(resolved)) => {
                for (template, resolved) in template.iter().zip(resolved) {
                    self.lay_over(template, resolved, names);
                }
            }
            (Value::Object(template), Value::Object(resolved)) => {
                // Keys may be templates too; then order alone tells which is which.
                let by_name = template.keys().eq(resolved.keys());
                for (index, (key, value)) in template.iter().enumerate() {
                    let found = if by_name {
                        resolved.get(key)
                    } else {
                        resolved.values().nth(index)
                    };
                    if let Some(found) = found {
                        self.lay_over(value, found, names);
                    }
                }
            }
            _ => {}
        }
    }

    fn lay_over_text(&mut self, template: &str, resolved: &str, names: &[&str]) {
        let pieces = pieces(template);
        if !pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Argument(name) if names.contains(name)))
        {
            return;
        }
        let mut rest = resolved;
        let mut open: Option<&str> = None;
        for piece in &pieces {
            match (piece, open) {
                // Two arguments side by side: where one ends is unknown, so all of the text is secret.
                (Piece::Argument(_), Some(_)) => return self.add(resolved),
                (Piece::Argument(name), None) => open = Some(name),
                (Piece::Text(text), None) => match rest.strip_prefix(text) {
                    Some(after) => rest = after,
                    None => return self.add(resolved),
                },
                (Piece::Text(text), Some(name)) => match rest.find(text) {
                    // The argument may hold that text itself, and where it ends is unknown then.
                    Some(at) if rest[at + text.len()..].contains(text) => return self.add(resolved),
                    Some(at) => {
                        if names.contains(&name) {
                            self.add(&rest[..at]);
                        }
                        rest = &rest[at + text.len()..];
                        open = None;
                    }
                    None => return self.add(resolved),
                },
            }
        }
        if open.is_some_and(|name| names.contains(&name)) {
            self.add(rest);
        }
    }
}

/// With how much of a secret's beginning a text ends, in bytes, where that is enough to matter.
fn beginning_at_end(text: &str, secret: &str) -> Option<usize> {
    secret
        .char_indices()
        .map(|(length, _)| length)
        .filter(|length| *length >= SHORTEST)
        .rev()
        .find(|length| text.ends_with(&secret[..*length]))
}

/// Never shows what it hides.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

enum Piece<'a> {
    Text(&'a str),
    Argument(&'a str),
}

/// Cuts a text at `{{args.name}}`, blanks allowed (Go: `utils/template` with the delimiters of fasttemplate).
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}") else {
            break;
        };
        if start > 0 {
            pieces.push(Piece::Text(&rest[..start]));
        }
        let inside = rest[start + 2..start + end].trim();
        pieces.push(Piece::Argument(inside.strip_prefix("args.").unwrap_or(inside)));
        rest = &rest[start + end + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor(template: &Value, resolved: &Value) -> Redactor {
        let run: AnalysisRun = serde_json::from_value(json!({
            "spec": {"args": [
                {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "service", "value": "web"},
            ]},
        }))
        .unwrap();
        let metric = |block: &Value| -> Metric {
            serde_json::from_value(json!({"name": "m", "provider": {"plugin": {"x/y": block}}})).unwrap()
        };
        Redactor::of_arguments(&run, Some(&metric(template)), &metric(resolved), resolved)
    }

    #[test]
    fn secret_arguments_are_found_and_others_are_not() {
        let redactor = redactor(
            &json!({"query": "avg:a{token:{{args.token}},service:{{ args.service }}}", "x": ["{{args.service}}"]}),
            &json!({"query": "avg:a{token:hunter22,service:web}", "x": ["web"]}),
        );
        assert_eq!(redactor.clean("token:hunter22 of web"), "token:***** of web");
    }

    #[test]
    fn where_a_secret_cannot_be_told_apart_all_of_it_is_hidden() {
        let redactor = redactor(
            &json!({"query": "{{args.service}}{{args.token}}"}),
            &json!({"query": "webhunter22"}),
        );
        assert_eq!(redactor.clean("webhunter22"), "*****");
    }

    /// The part before the first `-` alone was hidden.
    #[test]
    fn a_secret_may_hold_what_follows_it() {
        for token in ["prod-hunter22", "ab-hunter22"] {
            let resolved = format!("k:{token}-web");
            let redactor = redactor(
                &json!({"query": "k:{{args.token}}-{{args.service}}"}),
                &json!({"query": resolved}),
            );
            let cleaned = redactor.clean(&resolved);
            assert!(!cleaned.contains("hunter22"), "{cleaned}");
        }
    }

    #[test]
    fn what_a_cut_leaves_of_a_secret_is_hidden() {
        let redactor = redactor(
            &json!({"query": "{{args.token}}"}),
            &json!({"query": "hunter22-and-more"}),
        );
        for length in 0..=17 {
            let text = crate::judge::cut(format!("{} hunter22-and-more", "x".repeat(100)), 104 + length);
            let cleaned = redactor.clean(&text);
            assert!(!cleaned.contains("hunt"), "{text}: {cleaned}");
        }
        assert_eq!(
            redactor.clean(r#"[{"name":"a hunter22-…","value":1},{"name":"hun…"}]"#),
            r#"[{"name":"a *****…","value":1},{"name":"hun…"}]"#
        );
    }

    #[test]
    fn encoded_forms_are_hidden_as_well() {
        let redactor = redactor(
            &json!({"query": "{{args.token}}"}),
            &json!({"query": "p\"ss word"}),
        );
        assert_eq!(
            redactor.clean(r#"{"q":"p\"ss word"} q=p%22ss%20word"#),
            r#"{"q":"*****"} q=*****"#
        );
    }
}
