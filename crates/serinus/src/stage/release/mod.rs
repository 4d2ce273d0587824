//! A release, step by step: the calls that the Argo Rollouts controller makes, in its order.
pub mod analysis;
pub mod call;
pub mod conclude;
pub mod driver;
pub mod plan;
mod scale;
pub mod spec;
pub mod state;
pub mod status;

#[cfg(test)]
mod driver_tests;
#[cfg(test)]
mod tests;
