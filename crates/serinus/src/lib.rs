//! Companion of the Serinus plugins: migrate a Deployment, rehearse a release, measure a split.
//!
//! The binary `serinus` is documented in `docs/serinus.md`; this library is what it is made of.
//!
//! - [`stage`]: a Kubernetes API, a gateway, an application and the controller's part around a traffic router, all in
//!   this process. It follows kube-apiserver for what a router can see of it, the Gateway API for what an HTTPRoute
//!   means, and argo-rollouts v1.10 (`rollout/trafficrouting.go` and around it) for the calls and their order.
//! - [`rehearsal`]: a script of releases played on that stage under constant load.
//! - [`migrate`]: a Rollout from a Deployment, its Service and its route, and the order in which to apply them.
//! - [`measure`]: requests sent, answers counted by who served them, counts judged by exact intervals.
//! - [`report`] and [`view`]: what was found, as text, JSON, HTML, or a picture redrawn on a terminal.
//! - [`plugin`]: the traffic router, started and called over go-plugin as the controller does it.
//!
//! What is judged is what a client saw. Neither the router's word nor the gateway's own counts make a check pass:
//!
//! ```
//! use serinus::measure::expect::{Check, Expectation};
//! use serinus::measure::tally::{Count, Tally};
//!
//! let mut tally = Tally::default();
//! tally.by.insert("stable".into(), Count { answers: 405, errors: 0 });
//! tally.by.insert("canary".into(), Count { answers: 95, errors: 0 });
//!
//! let expected: Expectation = "canary=20".parse()?;
//! let check = Check::judge(expected, &tally, 0.999);
//! assert!(check.holds);
//! assert_eq!(check.allowed, (72, 130));
//! # Ok::<(), serinus::measure::expect::ExpectationError>(())
//! ```
//!
//! Limits: the stage plays canaries with a traffic router plugin, without `dynamicStableScale`, ping-pong, experiments
//! and step plugins; an analysis asks the stage's gateway and no provider; the gateway serves HTTPRoutes and knows
//! header modifiers and request mirrors. What a manifest wants beyond that is refused or said in the report.

pub mod cli;
pub mod manifests;
pub mod measure;
pub mod migrate;
pub mod plugin;
pub mod rehearsal;
pub mod report;
pub mod stage;
pub mod view;
