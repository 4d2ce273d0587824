//! Secrets of the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::sync::OnceCell;

use super::Failure;

/// How long the API server may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reads Secrets through a client that is made at the first read: a start must not wait for the cluster.
#[derive(Default)]
pub(super) struct Secrets {
    client: OnceCell<kube::Client>,
}

impl Secrets {
    /// The texts of a Secret.
    ///
    /// # Errors
    /// [`Failure::Refused`] where it does not exist or must not be read, [`Failure::Unavailable`] where the API server
    /// does not answer.
    pub(super) async fn read(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let read = async {
            let client = self.client.get_or_try_init(connect).await?;
            Api::<Secret>::namespaced(client.clone(), namespace)
                .get_opt(name)
                .await
                .map_err(|error| sort(&error, namespace, name))
        };
        let secret = match tokio::time::timeout(DEADLINE, read).await {
            Ok(secret) => secret?,
            Err(_) => {
                return Err(unavailable(
                    namespace,
                    name,
                    "the API server did not answer in 5s",
                ));
            }
        };
        let Some(secret) = secret else {
            return Err(Failure::Refused(format!(
                "Secret {namespace}/{name} does not exist"
            )));
        };
        let data = secret.data.unwrap_or_default();
        Ok(data
            .into_iter()
            .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
            .collect())
    }
}

async fn connect() -> Result<kube::Client, Failure> {
    let config = kube::Config::infer().await.map_err(|error| {
        Failure::Refused(format!(
            "no access to Secrets: {}; set DD_API_KEY and DD_APP_KEY instead",
            crate::judge::brief(&error.to_string())
        ))
    })?;
    kube::Client::try_from(config).map_err(|error| Failure::Refused(format!("no access to Secrets: {error}")))
}

fn sort(error: &kube::Error, namespace: &str, name: &str) -> Failure {
    match error {
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => Failure::Refused(format!(
            "Secret {namespace}/{name} must not be read: {}",
            crate::judge::brief(&status.message)
        )),
        kube::Error::Api(status) if status.code == 404 => {
            Failure::Refused(format!("Secret {namespace}/{name} does not exist"))
        }
        kube::Error::Api(status) if status.code < 500 && status.code != 429 => Failure::Refused(format!(
            "Secret {namespace}/{name}: {}",
            crate::judge::brief(&status.message)
        )),
        other => unavailable(namespace, name, &crate::judge::brief(&other.to_string())),
    }
}

fn unavailable(namespace: &str, name: &str, why: &str) -> Failure {
    Failure::Unavailable(format!("Secret {namespace}/{name} cannot be read: {why}"))
}
