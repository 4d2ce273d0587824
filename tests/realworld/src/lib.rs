//! The unmodified controller, API server and gateways on one machine, and the scenes that run there.
//!
//! `cargo run -p realworld -- e2e` builds what it needs from Go modules that this folder pins ([`tools`]), enters a
//! private user, network and process namespace ([`private`]), starts etcd, kube-apiserver, kube-controller-manager,
//! Traefik and the Argo Rollouts controller there ([`world`]) beside a stand-in for the kubelet whose pods answer HTTP
//! ([`kubelet`]), and plays scenes ([`scenarios`]) that release, abort and break things and count real requests
//! ([`traffic`]) against stated binomial intervals ([`binomial`]).
//!
//! Nothing here is faked but the kubelet and Datadog: every other process is the released program, built from source.
//!
//! ```
//! // 20 % of 300 requests: which counts are consistent with that share?
//! let accepted = realworld::binomial::accepted(300, 0.20, 0.9999);
//! assert!(accepted.contains(&60) && !accepted.contains(&30));
//! ```
//!
//! Needs Linux, Go (only to build the programs once), `unshare` of util-linux and `ip` of iproute2; no root.

pub mod app;
pub mod binomial;
pub mod cli;
pub mod cluster;
pub mod console;
pub mod example;
pub mod kubelet;
pub mod plan;
pub mod plugin;
pub mod private;
pub mod process;
pub mod rollout;
pub mod scenarios;
pub mod shell;
pub mod stage;
pub mod tools;
pub mod traffic;
pub mod users;
pub mod wait;
pub mod world;
