//! Many metrics in one request.
//!
//! The scalar endpoint takes any number of queries and formulas, and names each column of its answer by the text of
//! its formula. So metrics of the same account and window can share a request: their queries are renamed `q0`, `q1`…,
//! equal queries travel once, their formulas are rewritten accordingly, and each finds its own columns by text. The
//! v1 endpoint takes queries joined by commas and tells them apart by `query_index`.

use std::collections::HashMap;

use serde_json::Value;

use super::{Ask, formula};

/// How much one request may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Queries.
    pub queries: usize,
    /// Bytes of their text.
    pub bytes: usize,
}

/// A joint request and where each of its members finds its answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// What is asked.
    pub ask: Ask,
    /// For each member the texts of its columns.
    pub columns: Vec<Vec<String>>,
}

/// Cuts asks, given by their number of queries and size in bytes, into groups that keep the limits, in order. One
/// that exceeds them by itself travels alone.
pub fn plan_groups(sizes: &[(usize, usize)], limits: Limits) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::new();
    let (mut start, mut queries, mut bytes) = (0, 0, 0);
    for (index, (count, size)) in sizes.iter().enumerate() {
        if index > start && (queries + count > limits.queries || bytes + size > limits.bytes) {
            groups.push(start..index);
            (start, queries, bytes) = (index, 0, 0);
        }
        queries += count;
        bytes += size;
    }
    if start < sizes.len() {
        groups.push(start..sizes.len());
    }
    groups
}

/// Joins the asks of several metrics. A formula that cannot be read was refused when its configuration was read.
pub fn join(asks: &[&Ask]) -> Joint {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut joint = Joint {
        ask: Ask {
            queries: Vec::new(),
            formulas: Vec::new(),
            grouped: false,
        },
        columns: Vec::with_capacity(asks.len()),
    };
    for ask in asks {
        let mut own: HashMap<&str, String> = HashMap::new();
        for (name, body) in &ask.queries {
            let text = body.to_string();
            let next = format!("q{}", names.len());
            let joint_name = names.entry(text).or_insert_with(|| {
                joint.ask.queries.push((next.clone(), body.clone()));
                next
            });
            own.insert(name, joint_name.clone());
        }
        let own: HashMap<&str, &str> = own.iter().map(|(name, joint)| (*name, joint.as_str())).collect();
        let columns: Vec<String> = match ask.formulas.is_empty() {
            true => vec![own[ask.queries[0].0.as_str()].to_owned()],
            false => ask
                .formulas
                .iter()
                .map(|text| formula::renamed(text, &own).unwrap_or_else(|_| text.clone()))
                .collect(),
        };
        for column in &columns {
            if !joint.ask.formulas.contains(column) {
                joint.ask.formulas.push(column.clone());
            }
        }
        joint.columns.push(columns);
    }
    joint
}

/// How many queries and bytes an ask brings.
pub fn size(ask: &Ask) -> (usize, usize) {
    let queries: usize = ask.queries.iter().map(|(_, body)| text_len(body)).sum();
    let formulas: usize = ask.formulas.iter().map(String::len).sum();
    (ask.queries.len(), queries + formulas)
}

fn text_len(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn ask(queries: &[(&str, &str)], formulas: &[&str]) -> Ask {
        Ask {
            queries: queries
                .iter()
                .map(|(name, query)| {
                    (
                        (*name).to_owned(),
                        json!({"data_source": "metrics", "query": query}),
                    )
                })
                .collect(),
            formulas: formulas.iter().map(|text| (*text).to_owned()).collect(),
            grouped: false,
        }
    }

    #[test]
    fn equal_queries_travel_once_and_every_metric_finds_its_columns() {
        let rate = ask(&[("a", "errors"), ("b", "hits")], &["a / b * 100", "b"]);
        let plain = ask(&[("query", "hits")], &[]);
        let other = ask(&[("b", "errors"), ("a", "hits")], &["b/a"]);
        let joint = join(&[&rate, &plain, &other]);
        assert_eq!(joint.ask.queries.len(), 2);
        assert_eq!(
            joint.columns,
            [
                vec!["q0 / q1 * 100".to_owned(), "q1".to_owned()],
                vec!["q1".to_owned()],
                vec!["q0/q1".to_owned()]
            ]
        );
        assert_eq!(joint.ask.formulas, ["q0 / q1 * 100", "q1", "q0/q1"]);
    }

    proptest! {
        #[test]
        fn groups_keep_order_and_limits(sizes in prop::collection::vec((1_usize..5, 1_usize..400), 0..60)) {
            let limits = Limits { queries: 10, bytes: 1000 };
            let groups = plan_groups(&sizes, limits);
            let all: Vec<usize> = groups.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
            for group in groups {
                prop_assert!(!group.is_empty());
                let queries: usize = sizes[group.clone()].iter().map(|(count, _)| count).sum();
                let bytes: usize = sizes[group].iter().map(|(_, size)| size).sum();
                prop_assert!(queries <= limits.queries && bytes <= limits.bytes);
            }
        }
    }
}
