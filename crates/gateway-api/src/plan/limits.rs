//! How much fits into a route.

use serde_json::Value;

use super::claims::Claim;
use super::planner::{Planner, Wanted};
use super::{Problem, view};

/// `rules` a route may have (Gateway API CRDs of HTTPRoute and GRPCRoute).
pub(super) const MAX_RULES: usize = 16;
/// `matches` a rule may have.
const MAX_MATCHES: usize = 64;
/// `filters` of a rule.
const MAX_FILTERS: usize = 16;
/// `headers` or `queryParams` of a match.
const MAX_CONDITIONS: usize = 16;
/// `matches` all rules of a route may have together (a CEL rule of the CRDs).
const MAX_MATCHES_OF_ROUTE: usize = 128;

impl Planner<'_> {
    pub(super) fn check_limits(
        &self,
        wanted: &[&[Wanted<'_>]],
        built: Vec<Value>,
    ) -> Result<Vec<Value>, Problem> {
        let matches = |rule: &Value| view::list(rule, "matches").len().max(1);
        let others = (0..self.rules.len())
            .filter(|&at| matches!(self.claims[at], Claim::User | Claim::Foreign(_)))
            .map(|at| &self.rules[at]);
        let all = || {
            others
                .clone()
                .chain(wanted.iter().copied().flatten().map(|wanted| &*wanted.rule))
                .chain(&built)
        };
        let most = |count: &dyn Fn(&Value) -> usize| built.iter().map(count).max().unwrap_or(0);
        let conditions = |field: &'static str| {
            move |rule: &Value| {
                let matches = view::list(rule, "matches").iter();
                matches.map(|one| view::list(one, field).len()).max().unwrap_or(0)
            }
        };
        let limits = [
            ("rules", all().count(), MAX_RULES),
            ("matches in one rule", most(&matches), MAX_MATCHES),
            (
                "filters in one rule",
                most(&|rule| view::list(rule, "filters").len()),
                MAX_FILTERS,
            ),
            (
                "headers in one match",
                most(&conditions("headers")),
                MAX_CONDITIONS,
            ),
            (
                "queryParams in one match",
                most(&conditions("queryParams")),
                MAX_CONDITIONS,
            ),
            (
                "matches in all rules",
                all().map(matches).sum(),
                MAX_MATCHES_OF_ROUTE,
            ),
        ];
        match limits.into_iter().find(|(_, found, max)| found > max) {
            Some((what, found, max)) => Err(Problem::Limit { what, found, max }),
            None => Ok(built),
        }
    }
}
