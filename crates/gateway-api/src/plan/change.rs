//! What a plan changes, for people.

use std::fmt;

use super::{ANNOTATION, RuleRef};

/// One difference between the route as it is and as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A rule divides traffic otherwise.
    Weights {
        /// Which rule.
        rule: RuleRef,
        /// Weights of stable and canary before.
        from: [u64; 2],
        /// And after.
        to: [u64; 2],
    },
    /// A managed rule is added.
    Added {
        /// Its name.
        rule: String,
    },
    /// A managed rule goes.
    Removed {
        /// Its name.
        rule: String,
    },
    /// A managed rule that somebody changed is set right, or another moves.
    Rearranged,
    /// The rules and cookies that keep users on their version.
    Affinity {
        /// Whether they are set, rather than removed.
        set: bool,
    },
    /// The backends of an experiment are added or removed.
    Experiments,
    /// The label that marks a release under way.
    Label {
        /// Its key.
        key: String,
        /// Whether it is set, rather than removed.
        set: bool,
    },
    /// Only our record of what is ours.
    Record,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weights {
                rule,
                from: [stable, canary],
                to: [to_stable, to_canary],
            } => {
                write!(
                    f,
                    "{rule}: stable {stable} to {to_stable}, canary {canary} to {to_canary}"
                )
            }
            Self::Added { rule } => write!(f, "rule {rule} added"),
            Self::Removed { rule } => write!(f, "rule {rule} removed"),
            Self::Rearranged => f.write_str("managed rules set right"),
            Self::Affinity { set: true } => f.write_str("session affinity set"),
            Self::Affinity { set: false } => f.write_str("session affinity removed"),
            Self::Experiments => f.write_str("experiment backends updated"),
            Self::Label { key, set: true } => write!(f, "label {key} set"),
            Self::Label { key, set: false } => write!(f, "label {key} removed"),
            Self::Record => write!(f, "annotation {ANNOTATION} updated"),
        }
    }
}
