//! How the API server is reached, as a kubeconfig says it (Go: `client-go/tools/clientcmd`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::yaml;

/// Where the API server is, whom to believe, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    /// Base address, without a final slash.
    pub(super) server: String,
    /// Certificates of the API server's authority, PEM; those of the machine where there are none.
    pub(super) authority: Option<Vec<u8>>,
    /// `insecure-skip-tls-verify`.
    pub(super) insecure: bool,
    /// Certificate and key of the client, PEM.
    pub(super) identity: Option<Vec<u8>>,
    /// The token.
    pub(super) token: Token,
}

/// Where a token comes from. It is looked for at every request: tokens of service accounts change every hour.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// None: the client has a certificate.
    None,
    /// Itself.
    Text(String),
    /// A file.
    File(PathBuf),
    /// What a program prints (`client.authentication.k8s.io`), as those of cloud vendors do.
    Program(Program),
}

/// A credential plugin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Program {
    /// `apiVersion` of what it prints.
    #[serde(default)]
    pub(super) api_version: String,
    /// The executable.
    pub(super) command: String,
    /// Its arguments.
    #[serde(default)]
    pub(super) args: Option<Vec<String>>,
    /// Variables of its environment.
    #[serde(default)]
    pub(super) env: Option<Vec<Variable>>,
}

/// A variable of a credential plugin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

/// Never shows a token.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Text(_) => "Text",
            Self::File(_) => "File",
            Self::Program(_) => "Program",
        })
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default, rename = "current-context")]
    current_context: String,
    #[serde(default)]
    clusters: Option<Vec<Named>>,
    #[serde(default)]
    users: Option<Vec<Named>>,
    #[serde(default)]
    contexts: Option<Vec<Named>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    cluster: Option<Cluster>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    context: Option<Context>,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    exec: Option<Program>,
    auth_provider: Option<serde::de::IgnoredAny>,
    username: Option<String>,
    #[serde(rename = "as")]
    impersonate: Option<String>,
}

impl Access {
    /// Reads kubeconfigs: paths with their texts. The first that has a name, or a current context, wins.
    ///
    /// # Errors
    /// What is missing or cannot be done here.
    pub(super) fn of_kubeconfigs(files: &[(PathBuf, String)]) -> Result<Self, String> {
        let mut current = String::new();
        let mut clusters: BTreeMap<String, (&Path, Cluster)> = BTreeMap::new();
        let mut users: BTreeMap<String, (&Path, User)> = BTreeMap::new();
        let mut contexts: BTreeMap<String, Context> = BTreeMap::new();
        for (path, text) in files {
            let shown = path.display();
            let bad = |why: String| format!("{shown} is no kubeconfig: {why}");
            let document = yaml::documents(text).map_err(|error| bad(error.to_string()))?;
            let document = document.into_iter().next().unwrap_or_default();
            let document: Document =
                serde_json::from_value(document).map_err(|error| bad(error.to_string()))?;
            // Paths in a kubeconfig are relative to its folder.
            let folder = path.parent().unwrap_or(Path::new(""));
            if current.is_empty() {
                current = document.current_context;
            }
            for named in document.clusters.into_iter().flatten() {
                if let Some(cluster) = named.cluster {
                    clusters.entry(named.name).or_insert((folder, cluster));
                }
            }
            for named in document.users.into_iter().flatten() {
                users
                    .entry(named.name)
                    .or_insert((folder, named.user.unwrap_or_default()));
            }
            for named in document.contexts.into_iter().flatten() {
                if let Some(context) = named.context {
                    contexts.entry(named.name).or_insert(context);
                }
            }
        }
        let context = contexts
            .remove(&current)
            .ok_or_else(|| format!("the kubeconfig has no context {current:?}; set current-context"))?;
        let (folder, cluster) = clusters
            .remove(&context.cluster)
            .ok_or_else(|| format!("the kubeconfig has no cluster {:?}", context.cluster))?;
        let (users_folder, user) = users.remove(&context.user).unwrap_or((folder, User::default()));
        Self::of(folder, &cluster, users_folder, user)
    }

    fn of(folder: &Path, cluster: &Cluster, users_folder: &Path, user: User) -> Result<Self, String> {
        let unknown = [
            ("cluster.tls-server-name", cluster.tls_server_name.is_some()),
            ("cluster.proxy-url", cluster.proxy_url.is_some()),
            ("user.auth-provider", user.auth_provider.is_some()),
            ("user.username", user.username.is_some()),
            ("user.as", user.impersonate.is_some()),
        ];
        if let Some((field, _)) = unknown.iter().find(|(_, there)| *there) {
            return Err(format!(
                "the kubeconfig has {field}, which is not supported here; use a token, tokenFile, exec or a client certificate"
            ));
        }
        let authority = content(
            "certificate-authority",
            folder,
            cluster.certificate_authority.as_deref(),
            cluster.certificate_authority_data.as_deref(),
        )?;
        let certificate = content(
            "client-certificate",
            users_folder,
            user.client_certificate.as_deref(),
            user.client_certificate_data.as_deref(),
        )?;
        let key = content(
            "client-key",
            users_folder,
            user.client_key.as_deref(),
            user.client_key_data.as_deref(),
        )?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some([certificate.as_slice(), b"\n", key.as_slice()].concat()),
            (None, None) => None,
            _ => return Err("the kubeconfig has only one of client-certificate and client-key".to_owned()),
        };
        let token = match (user.token_file, user.token, user.exec) {
            (Some(file), _, _) => Token::File(users_folder.join(file)),
            (None, Some(text), _) if !text.is_empty() => Token::Text(text),
            (None, _, Some(program)) => Token::Program(program),
            (None, _, None) => Token::None,
        };
        Ok(Self {
            server: cluster.server.trim_end_matches('/').to_owned(),
            authority,
            insecure: cluster.insecure_skip_tls_verify,
            identity,
            token,
        })
    }
}

/// What a field holds as base64 (`…-data`), or the file that it names.
fn content(
    field: &str,
    folder: &Path,
    file: Option<&Path>,
    data: Option<&str>,
) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        return STANDARD
            .decode(data.trim())
            .map(Some)
            .map_err(|error| format!("the kubeconfig's {field}-data is no base64: {error}"));
    }
    let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let file = folder.join(file);
    match std::fs::read(&file) {
        Ok(content) => Ok(Some(content)),
        Err(error) => Err(format!("the kubeconfig's {field} {}: {error}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r"
apiVersion: v1
kind: Config
current-context: here
clusters:
  - name: home
    cluster: {server: 'https://10.0.0.1:6443/', certificate-authority-data: Y2E=}
contexts:
  - name: here
    context: {cluster: home, user: me, namespace: team}
users:
  - name: me
    user: {token: t0ken}
";

    fn read(texts: &[&str]) -> Result<Access, String> {
        let files: Vec<_> = texts
            .iter()
            .map(|text| (PathBuf::from("/etc/kube/config"), (*text).to_owned()))
            .collect();
        Access::of_kubeconfigs(&files)
    }

    #[test]
    fn the_current_context_counts() {
        let access = read(&[ONE]).unwrap();
        assert_eq!(access.server, "https://10.0.0.1:6443");
        assert_eq!(access.authority.as_deref(), Some(&b"ca"[..]));
        assert_eq!(access.token, Token::Text("t0ken".to_owned()));
        assert!(!format!("{access:?}").contains("t0ken"));
    }

    #[test]
    fn the_first_of_several_files_wins() {
        let other = ONE
            .replace("10.0.0.1", "10.0.0.2")
            .replace("current-context: here", "current-context: ''");
        assert_eq!(read(&[&other, ONE]).unwrap().server, "https://10.0.0.2:6443");
    }

    #[test]
    fn who_asks() {
        let user = |user: &str| read(&[&ONE.replace("{token: t0ken}", user)]);
        assert_eq!(
            user("{tokenFile: token}").unwrap().token,
            Token::File("/etc/kube/token".into())
        );
        assert!(matches!(
            user("{exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks]}}")
                .unwrap()
                .token,
            Token::Program(Program { args: Some(args), .. }) if args == ["eks"]
        ));
        let access = user("{client-certificate-data: Yw==, client-key-data: aw==}").unwrap();
        assert_eq!(access.identity.as_deref(), Some(&b"c\nk"[..]));
        assert_eq!(access.token, Token::None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let user = |user: &str| read(&[&ONE.replace("{token: t0ken}", user)]).unwrap_err();
        assert!(user("{username: a, password: b}").contains("user.username"));
        assert!(user("{client-key-data: aw==}").contains("client-certificate"));
        assert!(user("{client-certificate-data: '!', client-key-data: aw==}").contains("no base64"));
        assert!(
            read(&["clusters: 7"])
                .unwrap_err()
                .contains("/etc/kube/config is no kubeconfig")
        );
        assert!(
            read(&[&ONE.replace("current-context: here", "current-context: there")])
                .unwrap_err()
                .contains("no context \"there\"")
        );
    }
}
