//! Secrets of the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::Failure;
use super::cluster::Cluster;

/// How long the API server may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reads Secrets through a client that is made at the first read: a start must not wait for the cluster.
#[derive(Default)]
pub(super) struct Secrets {
    cluster: OnceCell<Cluster>,
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
        if ![namespace, name].into_iter().all(is_name) {
            return Err(Failure::Refused(format!(
                "{namespace}/{name} is no name of a Secret"
            )));
        }
        let cluster = self.cluster.get_or_try_init(connect).await?;
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        match tokio::time::timeout(DEADLINE, cluster.get(&path)).await {
            Ok(Ok((status, body))) => texts(status, &body, namespace, name),
            Ok(Err(why)) => Err(unavailable(namespace, name, &why)),
            Err(_) => Err(unavailable(
                namespace,
                name,
                &format!("the API server did not answer in {}s", DEADLINE.as_secs()),
            )),
        }
    }
}

async fn connect() -> Result<Cluster, Failure> {
    Cluster::find().map_err(|why| {
        Failure::Refused(format!(
            "no access to Secrets: {}; set DD_API_KEY and DD_APP_KEY instead",
            crate::judge::brief(&why)
        ))
    })
}

/// A name of an object (RFC 1123 subdomain): nothing else may become part of an address.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text != ".."
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

/// What an answer of the API server says.
fn texts(
    status: u16,
    body: &Value,
    namespace: &str,
    name: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let said = || crate::judge::brief(body["message"].as_str().unwrap_or("without a word"));
    let secret = format!("Secret {namespace}/{name}");
    match status {
        200 => {}
        401 | 403 => return Err(Failure::Refused(format!("{secret} must not be read: {}", said()))),
        404 => return Err(Failure::Refused(format!("{secret} does not exist"))),
        429 | 500..=599 => {
            return Err(unavailable(
                namespace,
                name,
                &format!("status {status}: {}", said()),
            ));
        }
        _ => return Err(Failure::Refused(format!("{secret}: status {status}: {}", said()))),
    }
    let data = body["data"].as_object().into_iter().flatten();
    data.map(|(key, value)| {
        let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
        let bytes = bytes.ok_or_else(|| Failure::Refused(format!("{secret}: {key} is no base64")))?;
        Ok((key.clone(), String::from_utf8_lossy(&bytes).into_owned()))
    })
    .collect()
}

fn unavailable(namespace: &str, name: &str, why: &str) -> Failure {
    Failure::Unavailable(format!("Secret {namespace}/{name} cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_the_api_server() {
        let read = |status: u16, body: Value| texts(status, &body, "team", "keys");
        assert_eq!(
            read(200, json!({"data": {"api-key": "YQo="}})).unwrap()["api-key"],
            "a\n"
        );
        assert_eq!(read(200, json!({"metadata": {}})).unwrap().len(), 0);
        let why = |status: u16| match read(status, json!({"message": "said so"})) {
            Err(failure @ Failure::Refused(_)) => format!("refused {failure}"),
            Err(failure @ Failure::Unavailable(_)) => format!("unavailable {failure}"),
            other => panic!("{other:?}"),
        };
        assert!(why(403).starts_with("refused") && why(403).contains("said so"));
        assert!(why(404).contains("refused") && why(404).contains("does not exist"));
        assert!(why(503).contains("unavailable"));
        assert!(read(200, json!({"data": {"api-key": "!"}})).is_err());
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for bad in ["", "..", "a/b", "a?b", "A", "a%2fb", "a#b"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_name("datadog.keys-1"));
    }
}
