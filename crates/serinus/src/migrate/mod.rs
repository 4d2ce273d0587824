//! From a Deployment to a Rollout whose traffic is divided by a route of the Gateway API. Pure: manifests in, manifests
//! out, and the order in which they can be applied without a request lost.
//!
//! The user's Service keeps its name and becomes the stable one, so that whatever else calls it goes on to reach the
//! Rollout's pods, and these alone: other workloads that it selects are named. A second Service is made for the canary.
//! Texts are kept byte for byte where the editor of `canary_steps` can change them in place.
//!
//! Follows argo-rollouts `docs/migrating.md`, `rollout/templateref.go` (what a `workloadRef` takes),
//! `rollout/replicaset.go` and `rollout/sync.go` (`scaleDown`), `service/service.go` (who gives a Service its selector
//! back) and `pkg/apis/rollouts/validation/` (what a Rollout must be).

mod deployment;
mod guide;
mod names;
mod object;
mod problem;
mod rollout;
mod route;
mod scaler;
mod selector;
mod service;
#[cfg(test)]
mod tests;

use crate::manifests::Document;

pub use guide::{Guide, How, Move};
pub use problem::{Problem, Refusal};

use object::Object;

/// Steps of a Rollout when nobody asks for others: a fifth waits for somebody's word, the rest goes on by itself.
pub const STEPS: &str = "20,pause,60,pause:5m,100";

/// The name under which `manifests/` registers the traffic router.
pub const ROUTER: &str = "argoproj-labs/gatewayAPI";

/// How to migrate.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// Which Deployment, where the manifests have several.
    pub deployment: Option<String>,
    /// Which of its Services, where routes refer to several.
    pub service: Option<String>,
    /// What the canary's Service is called; `<service>-canary` where absent.
    pub canary_service: Option<String>,
    /// Where the pod template stays.
    pub template: Template,
    /// Steps as they are typed in Argo CD: `20,pause,100`, `off`, `ramp`.
    pub steps: String,
    /// The name under which the traffic router is registered.
    pub router: String,
    /// Pods of the Rollout; as many as the Deployment has where absent.
    pub replicas: Option<u32>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            deployment: None,
            service: None,
            canary_service: None,
            template: Template::Referenced(ScaleDown::OnSuccess),
            steps: STEPS.to_owned(),
            router: ROUTER.to_owned(),
            replicas: None,
        }
    }
}

/// Where the pod template is afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// In the Deployment, which stays without pods of its own (`spec.workloadRef`).
    Referenced(ScaleDown),
    /// In the Rollout; the Deployment is deleted in the end.
    Inline,
}

/// When the controller takes the Deployment's pods away (`spec.workloadRef.scaleDown`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleDown {
    /// One for each pod of the Rollout that is ready.
    Progressively,
    /// All, once the Rollout is healthy.
    OnSuccess,
    /// Never: whoever migrates does it.
    Never,
}

impl ScaleDown {
    /// As the Rollout has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Progressively => "progressively",
            Self::OnSuccess => "onsuccess",
            Self::Never => "never",
        }
    }
}

/// What comes of it.
#[derive(Debug, Clone)]
pub struct Migration {
    /// All that was given with the route changed, and what is new: one stream that can be applied at once.
    pub stream: Vec<Document>,
    /// What is applied once the Rollout is healthy.
    pub finish: Vec<Document>,
    /// In which order, why that is safe, what is different afterwards, and how to go back.
    pub guide: Guide,
}

/// Plans a migration.
///
/// # Errors
/// What stands in its way, each with object, field, and what is accepted.
pub fn plan(documents: &[Document], wishes: &Wishes) -> Result<Migration, Refusal> {
    names::check(wishes)?;
    let objects: Vec<Object<'_>> = documents.iter().map(Object::new).collect();
    let scalers = scaler::find(&objects);
    let deployment = deployment::choose(&objects, &scalers, wishes)?;
    let service = service::choose(&objects, &deployment, wishes)?;
    let canary = service::canary(&objects, &service, wishes)?;
    let routes = route::change(&objects, &service, &canary.name)?;
    let rollout = rollout::make(&deployment, &service, &canary, &routes, wishes)?;
    let moved = scaler::move_to_rollout(&scalers, &deployment);
    let retired = deployment.retired(wishes.template);

    let mut stream = vec![canary.document.clone()];
    for object in &objects {
        let changed = routes
            .iter()
            .find(|route| std::ptr::eq(route.object.document, object.document));
        stream.push(changed.map_or(object.document, |route| &route.document).clone());
    }
    stream.push(rollout.clone());
    let finish = moved.iter().cloned().chain(retired.clone()).collect();
    let guide = guide::write(&guide::Cast {
        objects: &objects,
        deployment: &deployment,
        service: &service,
        canary: &canary,
        routes: &routes,
        rollout: &rollout,
        scalers: &moved,
        retired: retired.as_ref(),
        template: wishes.template,
    });
    Ok(Migration {
        stream,
        finish,
        guide,
    })
}

/// Documents as one stream.
pub fn stream(documents: &[Document]) -> String {
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    texts.join("---\n")
}
