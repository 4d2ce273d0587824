//! A rehearsal as lines of text, for a pipe or a log: each thing once, when it is known. Pure.

use super::paint::{percent, thousands};
use crate::measure::tally::Tally;
use crate::rehearsal::journal::{Pages, PhasePage};

/// What was told so far.
#[derive(Debug, Default)]
pub struct Told {
    acts: usize,
    events: usize,
    phases: usize,
}

impl Told {
    /// The lines that are new. `tally` looks a phase's counts up.
    pub fn news(&mut self, pages: &Pages, tally: impl Fn(&PhasePage) -> Tally) -> Vec<String> {
        let mut lines = Vec::new();
        for act in &pages.acts[self.acts..] {
            lines.push((
                act.from,
                format!("{:6.1}  == {}", act.from.as_secs_f64(), act.title),
            ));
        }
        self.acts = pages.acts.len();
        for event in &pages.events[self.events..] {
            let at = event.at.as_secs_f64();
            lines.push((
                event.at,
                format!("{at:6.1}  {} {}: {}", event.source, event.reason, event.message),
            ));
        }
        self.events = pages.events.len();
        while let Some(phase) = pages.phases.get(self.phases)
            && let Some(to) = phase.to
        {
            self.phases += 1;
            let tally = tally(phase);
            if !phase.settled || tally.named() == 0 {
                continue;
            }
            let counted: Vec<String> = phase
                .shares
                .iter()
                .map(|(who, share)| {
                    let count = tally.of(who).answers;
                    format!("{who} {} wanted, {} counted", percent(*share), thousands(count))
                })
                .collect();
            let text = format!(
                "{:6.1}  counted {} requests: {}",
                to.as_secs_f64(),
                thousands(tally.named()),
                counted.join("; ")
            );
            lines.push((to, text));
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line).collect()
    }
}
