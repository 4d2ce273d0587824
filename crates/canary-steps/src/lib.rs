//! Argo CD Config Management Plugin that switches canary steps
pub mod edit;
pub mod plan;
pub mod syntax;
