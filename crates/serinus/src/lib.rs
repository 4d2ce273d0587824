//! Companion of the Serinus plugins: rehearse a release, measure a split.

pub mod cli;
pub mod manifests;
pub mod measure;
pub mod plugin;
pub mod rehearsal;
pub mod report;
pub mod stage;
pub mod view;
