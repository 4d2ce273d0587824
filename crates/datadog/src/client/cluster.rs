//! The API server: one GET, with whatever rights this process has.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::kubeconfig::{Access, Program, Token};

/// What a pod finds of its service account (Go: `client-go/rest` `InClusterConfig`).
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The most of an answer that is read: a Secret has at most 1 MiB, and base64 makes a third more of it.
const MOST_BYTES: usize = 2 << 20;

/// A connection to the API server.
pub(super) struct Cluster {
    access: Access,
    client: reqwest::Client,
}

impl Cluster {
    /// Finds the API server as `kubectl` does: `KUBECONFIG`, `~/.kube/config`, else the service account of the pod.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn find() -> Result<Self, String> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let paths: Vec<PathBuf> = match (variable("KUBECONFIG"), variable("HOME")) {
            (Some(paths), _) => std::env::split_paths(&paths).collect(),
            (None, Some(home)) => vec![Path::new(&home).join(".kube/config")],
            (None, None) => Vec::new(),
        };
        let files: Vec<(PathBuf, String)> = paths
            .iter()
            .filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?)))
            .collect();
        let access = match (files.is_empty(), variable("KUBECONFIG")) {
            (false, _) => Access::of_kubeconfigs(&files)?,
            (true, Some(named)) => {
                return Err(format!(
                    "KUBECONFIG: {} cannot be read",
                    Path::new(&named).display()
                ));
            }
            (true, None) => of_pod(variable)?,
        };
        let client = client(&access).map_err(|error| format!("no client for {}: {error}", access.server))?;
        Ok(Self { access, client })
    }

    /// GETs a path: the status and the JSON of the body.
    ///
    /// # Errors
    /// Why there is no answer, without the token.
    pub(super) async fn get(&self, path: &str) -> Result<(u16, Value), String> {
        let mut request = self.client.get(format!("{}{path}", self.access.server));
        if let Some(token) = token(&self.access.token).await? {
            request = request.bearer_auth(token.trim());
        }
        let mut response = request.send().await.map_err(|error| describe(&error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err("the answer is larger than any Secret".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
}

fn of_pod(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Access, String> {
    let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
    let (Some(host), Some(port)) = (text("KUBERNETES_SERVICE_HOST"), text("KUBERNETES_SERVICE_PORT")) else {
        return Err("there is neither a kubeconfig nor a service account".to_owned());
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    let folder = Path::new(SERVICE_ACCOUNT);
    let authority = folder.join("ca.crt");
    Ok(Access {
        server: format!("https://{host}:{port}"),
        authority: Some(
            std::fs::read(&authority).map_err(|error| format!("{}: {error}", authority.display()))?,
        ),
        insecure: false,
        identity: None,
        token: Token::File(folder.join("token")),
    })
}

fn client(access: &Access) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(1)
        .user_agent(concat!(
            "rollouts-plugin-metric-datadog/",
            env!("CARGO_PKG_VERSION")
        ));
    if let Some(authority) = &access.authority {
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(authority)?);
    }
    if let Some(identity) = &access.identity {
        builder = builder.identity(reqwest::Identity::from_pem(identity)?);
    }
    builder.tls_danger_accept_invalid_certs(access.insecure).build()
}

async fn token(token: &Token) -> Result<Option<String>, String> {
    match token {
        Token::None => Ok(None),
        Token::Text(text) => Ok(Some(text.clone())),
        Token::File(file) => std::fs::read_to_string(file)
            .map(Some)
            .map_err(|error| format!("token {}: {error}", file.display())),
        Token::Program(program) => {
            let program = program.clone();
            let printed = tokio::task::spawn_blocking(move || print(&program)).await;
            printed
                .map_err(|error| format!("the kubeconfig's exec: {error}"))?
                .map(Some)
        }
    }
}

/// What a credential plugin prints: `ExecCredential`, of which `status.token` counts.
fn print(program: &Program) -> Result<String, String> {
    let failed = |why: String| format!("the kubeconfig's exec {}: {why}", program.command);
    let version = match program.api_version.as_str() {
        "" => "client.authentication.k8s.io/v1",
        version => version,
    };
    let variables = program.env.iter().flatten();
    let output = std::process::Command::new(&program.command)
        .args(program.args.iter().flatten())
        .envs(variables.map(|variable| (&variable.name, &variable.value)))
        .env(
            "KUBERNETES_EXEC_INFO",
            serde_json::json!({ "apiVersion": version, "kind": "ExecCredential", "spec": { "interactive": false } })
                .to_string(),
        )
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!(
            "{}: {}",
            output.status,
            crate::judge::brief(&said)
        )));
    }
    let printed: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("it printed no JSON: {error}")))?;
    match printed.pointer("/status/token").and_then(Value::as_str) {
        Some(token) => Ok(token.to_owned()),
        None => Err(failed("it printed no status.token".to_owned())),
    }
}

/// An error and its last cause, without the address.
fn describe(error: &reqwest::Error) -> String {
    let mut last = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    match last.is_empty() {
        true => "no answer".to_owned(),
        false => crate::judge::brief(&last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(script: &str) -> Program {
        Program {
            api_version: String::new(),
            command: "sh".to_owned(),
            args: Some(vec!["-c".to_owned(), script.to_owned()]),
            env: None,
        }
    }

    #[test]
    fn a_credential_plugin_prints_a_token() {
        let script =
            r#"case $KUBERNETES_EXEC_INFO in *ExecCredential*) echo '{"status":{"token":"t"}}';; esac"#;
        assert_eq!(print(&program(script)).as_deref(), Ok("t"));
        let why = print(&program("echo 'log in first' >&2; exit 3")).unwrap_err();
        assert!(why.contains("exec sh") && why.contains("log in first"), "{why}");
        assert!(print(&program("echo {}")).unwrap_err().contains("status.token"));
    }

    #[test]
    fn without_anything_it_says_so() {
        assert!(of_pod(|_| None).unwrap_err().contains("neither a kubeconfig"));
    }
}
