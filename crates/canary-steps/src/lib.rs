//! Canary steps, switched in the Argo CD dashboard.
//!
//! `argocd-cmp-canary-steps` is a Config Management Plugin of Argo CD. A developer opens an Application, goes to
//! Parameters, types `on`, `off`, a preset or `25,pause,75,pause:30s,100` beside a Rollout's name, saves and syncs. The
//! plugin makes the manifests as Argo CD's own sources would, changes `spec.strategy.canary.steps` of the Rollouts that
//! are switched and leaves every other byte as it is.
//!
//! # Rooms
//! * [`edit`] finds Rollouts in any manifest stream and changes their fields in the text. No IO.
//! * [`syntax`] reads what people type, and checks steps as the Rollouts controller would. No IO.
//! * [`plan`] decides for each Rollout from settings and parameters, and titles what the dashboard shows. No IO.
//! * [`render`] makes manifests from a repository with `helm`, `kustomize` or nothing.
//! * [`produce`] puts these together for one Application; the server and the commands share it.
//! * [`server`] is Argo CD's plugin service on a socket.
//! * [`cli`] is the command line; `main.rs` only calls it.
//!
//! Those with IO need the feature `plugin`, which is on by default; without it this is the editor alone, with few
//! dependencies.
//!
//! # Example
//! ```
//! use canary_steps::edit::Manifest;
//! use canary_steps::plan::{Application, Settings, plan};
//!
//! let manifests = [Manifest {
//!     name: "web.yaml".into(),
//!     text: "\
//! apiVersion: argoproj.io/v1alpha1
//! kind: Rollout
//! metadata: {name: web}   # stays
//! spec:
//!   strategy:
//!     canary:
//!       maxSurge: 25%
//! ".into(),
//! }];
//! let settings = Settings::default();
//! let mut app = Application { name: "shop".into(), ..Application::default() };
//! app.parameters.set("web", "25,pause,100");
//!
//! let text = plan(&manifests, &settings, &app).apply(&manifests, &settings, &app).unwrap().remove(0);
//! let steps = "steps:\n      - setWeight: 25\n      - pause: {}\n      - setWeight: 100\n      ";
//! assert_eq!(text, manifests[0].text.replace("maxSurge", &format!("{steps}maxSurge")));
//! ```
//!
//! # What it follows
//! The wire is `proto/`; the peer is argo-cd `cmpserver/` and `reposerver/repository/`; the rules of steps are
//! argo-rollouts `pkg/apis/rollouts/validation/`; YAML is what sigs.k8s.io/yaml makes of it. Each rule names its Go file
//! and function where it stands.
//!
//! # Limits, and differences from `argocd-cmp-server`
//! * Archives are bounded in bytes and entries, and devices, hard links and links that leave the folder are refused; the
//!   Go server has no bounds and passes over entries it does not know.
//! * No manifests at all is an error unless `allowEmpty` is set: Argo CD would delete everything.
//! * Jsonnet is not rendered, and says so.
//! * A document that Argo CD's YAML reader takes and ours does not is handed over untouched while nothing is switched; an
//!   error names it as soon as something is.

#[cfg(feature = "plugin")]
pub mod cli;
pub mod edit;
#[cfg(feature = "plugin")]
pub mod generated;
#[cfg(feature = "plugin")]
pub mod logging;
pub mod plan;
#[cfg(feature = "plugin")]
pub mod produce;
#[cfg(feature = "plugin")]
pub mod render;
#[cfg(feature = "plugin")]
pub mod server;
pub mod syntax;
