//! Companion of the Serinus plugins: rehearse a release, measure a split.

pub mod measure;
pub mod rehearsal;
pub mod report;
pub mod stage;
