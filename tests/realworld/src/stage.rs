//! What a scene is given: a world, a namespace of its own, and the usual moves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use crate::app::App;
use crate::cluster::Cluster;
use crate::console;
use crate::example::{Example, OLD};
use crate::plan::Form;
use crate::rollout::Rollout;
use crate::world::{Gateway, World};

/// How long any step of a release may take. Each takes a second or two; machines of CI are busy.
pub const STEP: Duration = Duration::from_secs(120);

/// A scene's part of a world.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The world, shared with the other scenes.
    pub world: Arc<World>,
    /// The scene's name.
    pub scene: &'static str,
    /// The scene's own namespace; it is there already.
    pub namespace: String,
    /// The gateway that its routes attach to.
    pub gateway: Gateway,
}

impl Stage {
    /// Makes the namespace of a scene.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn set(world: Arc<World>, scene: &'static str, gateway: Gateway) -> Result<Self> {
        let namespace = scene.to_owned();
        let object = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "labels": gateway.labels()}});
        world.cluster.apply("", &object).await?;
        Ok(Self {
            world,
            scene,
            namespace,
            gateway,
        })
    }

    /// Tells the reader of the run what was seen.
    pub fn say(&self, text: &str) {
        console::say(&format!("{} {}", self.world.plan.controller, self.scene), text);
    }

    /// The API server, as one who may do anything.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.world.cluster
    }

    /// Whether to run long.
    #[must_use]
    pub fn form(&self) -> Form {
        self.world.plan.form
    }

    /// A Rollout of the scene's namespace.
    #[must_use]
    pub fn rollout(&self, name: &str) -> Rollout {
        Rollout::new(self.cluster().clone(), &self.namespace, name)
    }

    /// Applies the example under its name, without waiting for anything.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn apply(&self, example: &Example) -> Result<App> {
        let app = App::new(self, &example.name());
        let mut example = example.clone();
        match self.gateway {
            Gateway::Istio => example = example.in_a_mesh(),
            gateway => {
                example.route["spec"]["hostnames"] = json!([app.host()]);
                example.route["spec"]["parentRefs"][0]["name"] = json!(gateway.name());
            }
        }
        self.cluster()
            .apply_all(&self.namespace, &example.objects())
            .await?;
        Ok(app)
    }

    /// Applies the example and waits until its first version is healthy and answers every request.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn deploy(&self, example: &Example) -> Result<App> {
        let app = self.apply(example).await?;
        app.rollout.healthy(STEP).await?;
        app.count(OLD, 1.0).await?;
        Ok(app)
    }

    /// The process of the plugin registered under `name`.
    ///
    /// # Errors
    /// When there is not exactly one.
    pub fn plugin_pid(&self, name: &str) -> Result<u32> {
        match self.world.controller.plugin_pids(name)?[..] {
            [pid] => Ok(pid),
            ref pids => bail!("plugin {name} has processes {pids:?}, and one was expected"),
        }
    }
}
