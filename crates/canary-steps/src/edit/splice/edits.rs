//! The pieces of text that make a change: at the field itself, in the form in which its mapping is written.

use std::ops::Range;

use serde_json::{Map, Value};

use super::super::tree::{Kind, NodeId, Tree};
use super::super::{emit, scalar, value};
use super::Change;
use super::lines::{behind_comment, colon_end, column, line_end, line_start, only_comment};
use super::trail::{Place, Step, Trail};

/// What is replaced by what.
pub(super) type Edits = Vec<(Range<usize>, String)>;

/// The edit at the field itself, where its form allows one.
pub(super) fn in_place(tree: &Tree<'_>, text: &str, trail: &Trail, change: &Change) -> Option<Edits> {
    let holder = trail.around.last()?;
    if !trail.reached {
        return missing_parents(tree, text, trail, change);
    }
    let flow = match &tree.nodes[holder.node].kind {
        Kind::Mapping { flow, .. } => *flow,
        // `canary:` without a value, or with `null`.
        Kind::Scalar { text, plain, tag } if scalar::resolve(text, *plain, tag) == Ok(Value::Null) => false,
        _ => return None,
    };
    let name = change.path.last()?;
    let entries = tree.entries(holder.node);
    match (&change.to, trail.field) {
        (Some(new), Some((key, node))) if flow => Some(vec![(
            value_range(tree, text, node, Some(key)),
            format!(" {}", emit::flow(new)),
        )]),
        (Some(new), Some((key, node))) => {
            let colon = colon_end(text, tree.nodes[key].end)?;
            let indent = column(text, tree.nodes[key].start)?;
            let from = behind_comment(text, colon, tree.nodes[node].start);
            let new = emit::behind_key(new, indent, line_end(text, colon));
            Some(vec![(from..tree.nodes[node].end.max(colon), new)])
        }
        (Some(new), None) if flow && !entries.is_empty() => {
            let at = tree.nodes[entries[0].0].start;
            Some(vec![(at..at, format!("{}: {}, ", quoted(name), emit::flow(new)))])
        }
        (Some(new), None) if entries.is_empty() => {
            let key = holder.key?;
            let colon = colon_end(text, tree.nodes[key].end)?;
            if in_flow(tree, trail) {
                let map = Value::Object(Map::from_iter([(name.clone(), new.clone())]));
                let range = value_range(tree, text, holder.node, Some(key));
                return Some(vec![(range, format!(" {}", emit::flow(&map)))]);
            }
            let indent = column(text, tree.nodes[key].start)?;
            let map = Value::Object(Map::from_iter([(name.clone(), new.clone())]));
            let new = emit::behind_key(&map, indent, line_end(text, colon));
            Some(vec![(colon..tree.nodes[holder.node].end.max(colon), new)])
        }
        (Some(new), None) => {
            let at = tree.nodes[entries[0].0].start;
            let indent = column(text, at)?;
            let end = line_end(text, at);
            let new = emit::behind_key(new, indent, end);
            Some(vec![(at..at, format!("{name}:{new}{end}{}", " ".repeat(indent)))])
        }
        (None, Some(entry)) if flow => Some(vec![(flow_entry(tree, entries, entry), String::new())]),
        (None, Some(entry)) => remove_block_entry(tree, text, holder, entry),
        (None, None) => None,
    }
}

/// A field below a mapping that is not there yet: the first missing key gets everything below it.
fn missing_parents(tree: &Tree<'_>, text: &str, trail: &Trail, change: &Change) -> Option<Edits> {
    let last = trail.around.last()?;
    let depth = last
        .path
        .iter()
        .rev()
        .take_while(|step| matches!(step, Step::Key(_)))
        .count();
    let to = change.to.as_ref()?;
    // An object inside a list begins its own count.
    let below = change.path.get(depth..)?;
    if let [name] = below {
        return behind_merge(tree, text, last, name, to);
    }
    if below.len() < 2 || value::merges(tree, last.node) || value::entry(tree, last.node, &below[0]).is_some()
    {
        return None;
    }
    let nested = below[1..].iter().rev().fold(to.clone(), |inner, key| {
        Value::Object(Map::from_iter([(key.clone(), inner)]))
    });
    let whole = Change {
        path: change.path[..=depth].to_vec(),
        to: Some(nested),
    };
    let around = trail.around.iter().map(|p| Place {
        node: p.node,
        key: p.key,
        path: p.path.clone(),
    });
    let trail = Trail {
        around: around.collect(),
        field: None,
        reached: true,
    };
    in_place(tree, text, &trail, &whole)
}

/// A key of the mapping's own behind the merge that may provide the field: the last one counts.
fn behind_merge(tree: &Tree<'_>, text: &str, holder: &Place, name: &str, new: &Value) -> Option<Edits> {
    let (key, node) = value::last_merge(tree, holder.node)?;
    let end = tree.nodes[node].end;
    if matches!(tree.nodes[holder.node].kind, Kind::Mapping { flow: true, .. }) {
        return Some(vec![(
            end..end,
            format!(", {}: {}", quoted(name), emit::flow(new)),
        )]);
    }
    let line = text[end..].find('\n').map_or(text.len(), |n| end + n);
    let rest = text[end..line].trim_end_matches('\r');
    if !only_comment(rest) {
        return None;
    }
    let indent = column(text, tree.nodes[key].start)?;
    let line_end = line_end(text, tree.nodes[key].start);
    let new = emit::behind_key(new, indent, line_end);
    let at = end + rest.len();
    Some(vec![(
        at..at,
        format!("{line_end}{}{name}:{new}", " ".repeat(indent)),
    )])
}

fn remove_block_entry(tree: &Tree<'_>, text: &str, holder: &Place, entry: (NodeId, NodeId)) -> Option<Edits> {
    let (key, node) = (&tree.nodes[entry.0], &tree.nodes[entry.1]);
    let line = line_start(text, key.start);
    let indent = column(text, key.start)?;
    if text[line..key.start].trim().len() + indent != indent {
        return None;
    }
    let end = node.end.max(colon_end(text, key.end)?);
    let mut to = end + text[end..].find('\n').map_or(text.len() - end, |n| n + 1);
    if !only_comment(&text[end..to]) {
        return None;
    }
    // Comments that stand deeper than the key belong to what is removed.
    while let Some(next) = text[to..].split_inclusive('\n').next() {
        let deep = next.len() - next.trim_start_matches(' ').len() > indent;
        if !(deep && next.trim_start().starts_with('#')) {
            break;
        }
        to += next.len();
    }
    let mut edits = vec![(line..to, String::new())];
    if tree.entries(holder.node).len() == 1 {
        // An empty block would be null, and null is no strategy.
        let colon = colon_end(text, tree.nodes[holder.key?].end)?;
        edits.push((colon..colon, " {}".to_owned()));
    }
    Some(edits)
}

/// An entry of a flow mapping with the comma that belongs to it.
fn flow_entry(tree: &Tree<'_>, entries: &[(NodeId, NodeId)], entry: (NodeId, NodeId)) -> Range<usize> {
    let at = entries
        .iter()
        .position(|e| *e == entry)
        .expect("the entry is one of them");
    let start = tree.nodes[entry.0].start;
    let end = tree.nodes[entry.1].end.max(tree.nodes[entry.0].end);
    match (entries.get(at + 1), at.checked_sub(1)) {
        (Some((next, _)), _) => start..tree.nodes[*next].start,
        (None, Some(before)) => tree.nodes[entries[before].1].end..end,
        (None, None) => start..end,
    }
}

/// Where the value of an entry stands: behind the colon, so that its properties and a block's indicator are in it.
pub(super) fn value_range(tree: &Tree<'_>, text: &str, node: NodeId, key: Option<NodeId>) -> Range<usize> {
    let end = tree.nodes[node].end;
    match key.and_then(|k| colon_end(text, tree.nodes[k].end)) {
        Some(colon) => colon..end.max(colon),
        None => tree.nodes[node].start..end,
    }
}

fn in_flow(tree: &Tree<'_>, trail: &Trail) -> bool {
    let parents = &trail.around[..trail.around.len() - 1];
    parents.iter().any(|place| {
        matches!(
            tree.nodes[place.node].kind,
            Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. }
        )
    })
}

/// Writes the edits; an alias elsewhere whose anchor they take away gets the value written out.
pub(super) fn write(tree: &Tree<'_>, text: &str, mut edits: Edits) -> String {
    let within = |at: usize| edits.iter().any(|(range, _)| range.contains(&at));
    let mut orphans = Vec::new();
    for node in &tree.nodes {
        if let Kind::Alias { target } = node.kind
            && !within(node.start)
            && within(tree.nodes[target].start)
            && let Ok(value) = value::resolve_node(tree, target)
        {
            orphans.push((node.start..node.end, emit::flow(&value)));
        }
    }
    edits.extend(orphans);
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        if range.start < at {
            // An alias that is a key's property; the proof that follows will see what came of it.
            continue;
        }
        out.push_str(&text[at..range.start]);
        // A block that becomes one line needs room behind its colon.
        if new.starts_with(['{', '[', '"']) && out.ends_with(':') {
            out.push(' ');
        }
        out.push_str(&new);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

fn quoted(key: &str) -> String {
    Value::from(key).to_string()
}
