//! The script of `serinus demo`.

use serde_json::Value;

use super::script::{Act, Ending, Script, Version};
use crate::manifests::{self, ManifestError};
use crate::stage::app::Behaviour;

/// What somebody types beside `web` in Argo CD before the last act.
const TYPED: &str = "50,pause:40s,100";

/// Two releases with the steps that stand in Git, and one with steps that were switched in Argo CD.
pub fn script() -> Result<Script, ManifestError> {
    let in_git = include_str!("../../demo/rollout.yaml");
    let switched = manifests::switch_steps("rollout.yaml", in_git, "web", TYPED)?;
    let bad = Behaviour {
        error_rate: 0.3,
        ..Behaviour::healthy("v3")
    };
    Ok(Script {
        title: "serinus demo".to_owned(),
        objects: manifests::read("traffic.yaml", include_str!("../../demo/traffic.yaml"))?,
        // The controller's clock runs faster than ours on the stage, the router's own does not.
        notes: vec!["the router's promotion hold is shortened from 5 s to 1 s".to_owned()],
        router_env: vec![("SERINUS_PROMOTION_HOLD_SECONDS".to_owned(), "1".to_owned())],
        before: version(in_git, Behaviour::healthy("v1"))?,
        acts: vec![
            Act {
                title: "v2 is good: promoted by 20, 60, 100 %".to_owned(),
                said: Vec::new(),
                version: version(in_git, Behaviour::healthy("v2"))?,
                ending: Ending::Promoted,
            },
            Act {
                title: "v3 fails 30 % of its requests: rolled back".to_owned(),
                said: Vec::new(),
                version: version(in_git, bad)?,
                ending: Ending::Aborted,
            },
            Act {
                title: "v4 takes other steps, typed in Argo CD: 50, 100 %".to_owned(),
                said: vec![format!(
                    "typed `{TYPED}` beside web in Argo CD; argocd-cmp-canary-steps rewrote the steps"
                )],
                version: version(&switched, Behaviour::healthy("v4"))?,
                ending: Ending::Promoted,
            },
        ],
    })
}

/// The Rollout with the image of that version.
fn version(rollout: &str, behaviour: Behaviour) -> Result<Version, ManifestError> {
    let mut rollout = manifests::read("rollout.yaml", rollout)?
        .pop()
        .unwrap_or_default();
    if let Some(image) = rollout.pointer_mut("/spec/template/spec/containers/0/image") {
        *image = Value::from(format!("registry.example/web:{}", behaviour.version));
    }
    Ok(Version { rollout, behaviour })
}
