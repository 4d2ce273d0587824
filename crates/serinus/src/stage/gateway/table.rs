//! Routes become a table of matches in order of precedence. Pure.

use serde_json::Value;

use super::filter::{Edits, Mirror};
use super::matching::{Entry, Head};
use super::route::{self, HttpRoute, ObjectRef};

/// What the gateway obeys at one moment.
#[derive(Debug, Default)]
pub struct Table {
    /// In order of precedence: the first that matches wins.
    entries: Vec<Entry>,
    rules: Vec<Rule>,
}

/// A rule of a route, ready to be obeyed.
#[derive(Debug)]
pub struct Rule {
    /// `<namespace>/<name>` of its route.
    pub route: String,
    /// Its place in `spec.rules`.
    pub index: usize,
    /// Filters of the rule.
    pub edits: Edits,
    /// Copies to send of every request.
    pub mirrors: Vec<Mirror>,
    /// Shares.
    pub backends: Vec<Backend>,
}

/// A share of a rule's traffic.
#[derive(Debug)]
pub struct Backend {
    /// `<namespace>/<name>` of the Service, or why there is none: such a share is answered with 500.
    pub service: Result<String, String>,
    /// Share, relative to the sum of the rule's weights.
    pub weight: u32,
    /// Filters of the backendRef.
    pub edits: Edits,
    /// Copies to send of the requests that go there, and of no others.
    pub mirrors: Vec<Mirror>,
}

/// What becomes of a route, as its conditions will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Namespace of the route.
    pub namespace: String,
    /// Name of the route.
    pub name: String,
    /// The generation judged.
    pub generation: u64,
    /// `Err((reason, message))` makes `Accepted=False`; none of the route's rules is in the table then.
    pub accepted: Result<(), (&'static str, String)>,
    /// `Err((reason, message))` makes `ResolvedRefs=False`; the share of that backend is answered with 500.
    pub resolved_refs: Result<(), (&'static str, String)>,
}

/// Says for a backend of a route in a namespace whether it can be used, and why not: reason and message of
/// `ResolvedRefs=False`.
pub type Resolve<'a> = dyn Fn(&str, &ObjectRef) -> Result<String, (&'static str, String)> + 'a;

impl Table {
    /// Compiles the routes attached to this gateway.
    pub fn compile(routes: &[Value], resolve: &Resolve<'_>) -> (Self, Vec<Verdict>) {
        let mut table = Self::default();
        let mut verdicts = Vec::new();
        for value in routes {
            match serde_json::from_value::<HttpRoute>(value.clone()) {
                Ok(route) => verdicts.push(table.add(&route, resolve)),
                Err(error) => tracing::warn!(%error, route = %value["metadata"]["name"], "not an HTTPRoute"),
            }
        }
        table.entries.sort_by(|a, b| a.precedence.cmp(&b.precedence));
        (table, verdicts)
    }

    /// The rule that serves a request.
    pub fn find(&self, head: &Head<'_>) -> Option<&Rule> {
        self.entries
            .iter()
            .find(|entry| entry.matches(head))
            .map(|entry| &self.rules[entry.rule])
    }

    fn add(&mut self, route: &HttpRoute, resolve: &Resolve<'_>) -> Verdict {
        let meta = &route.metadata;
        let mut verdict = Verdict {
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            generation: meta.generation,
            accepted: Ok(()),
            resolved_refs: Ok(()),
        };
        let (mut entries, mut rules) = (Vec::new(), Vec::new());
        for (index, rule) in route.spec.rules.iter().enumerate() {
            let place = self.rules.len() + index;
            let compiled = Rule::compile(route, index, rule, resolve, &mut verdict.resolved_refs)
                .and_then(|compiled| Ok((compiled, Entry::of_rule(route, index, rule, place)?)));
            match compiled {
                Ok((compiled, of_rule)) => {
                    rules.push(compiled);
                    entries.extend(of_rule);
                }
                Err(message) => {
                    verdict.accepted = Err(("UnsupportedValue", format!("spec.rules[{index}]: {message}")));
                    return verdict;
                }
            }
        }
        self.rules.extend(rules);
        self.entries.extend(entries);
        verdict
    }
}

impl Rule {
    fn compile(
        route: &HttpRoute,
        index: usize,
        rule: &route::Rule,
        resolve: &Resolve<'_>,
        resolved_refs: &mut Result<(), (&'static str, String)>,
    ) -> Result<Self, String> {
        let namespace = &route.metadata.namespace;
        let mut service = |target: &ObjectRef| {
            resolve(namespace, target).map_err(|(reason, message)| {
                if resolved_refs.is_ok() {
                    *resolved_refs = Err((reason, format!("spec.rules[{index}]: {message}")));
                }
                message
            })
        };
        let mut mirrors = Vec::new();
        let edits = Edits::compile(&rule.filters, &mut mirrors, &mut service)?;
        let mut backends = Vec::new();
        for backend in &rule.backend_refs {
            let mut mirrors = Vec::new();
            let edits = Edits::compile(&backend.filters, &mut mirrors, &mut service)?;
            backends.push(Backend {
                service: service(&backend.target),
                weight: backend.weight,
                edits,
                mirrors,
            });
        }
        let route = format!("{namespace}/{}", route.metadata.name);
        Ok(Self {
            route,
            index,
            edits,
            mirrors,
            backends,
        })
    }
}
