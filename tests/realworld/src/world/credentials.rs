//! Who may talk to the API server: its certificate, the users in its token file, their kubeconfigs.

use std::path::PathBuf;

use anyhow::{Context, Result};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::plan::Plan;

/// Where the API server listens.
pub const API_SERVER: &str = "https://127.0.0.1:6443";

/// Where no API server listens.
const NOWHERE: &str = "https://127.0.0.1:9";

/// A user whom the API server knows by a token.
#[derive(Debug, Clone, Copy)]
pub struct User {
    /// Token, uid and the name of the kubeconfig file.
    pub token: &'static str,
    /// As RBAC sees it.
    pub name: &'static str,
    /// The groups, comma separated.
    pub groups: &'static str,
}

/// May do anything: the harness, the gateway, the controllers.
pub const ADMIN: User = User {
    token: "admin",
    name: "admin",
    groups: "system:masters",
};

/// The service account of an Argo Rollouts installation: what the controller's plugins act as. It may do what the
/// role of `manifests/` grants, and nothing else.
pub const ROLLOUTS: User = User {
    token: "argo-rollouts",
    name: "system:serviceaccount:argo-rollouts:argo-rollouts",
    groups: "system:serviceaccounts,system:serviceaccounts:argo-rollouts,system:authenticated",
};

/// One user for each role of `manifests/gateway-api/profiles`.
pub const PROFILES: [User; 3] = [profile("helm"), profile("installation"), profile("quick-start")];

const fn profile(name: &'static str) -> User {
    User {
        token: name,
        name,
        groups: "system:authenticated",
    }
}

/// Every user of a world. A scene that tests another profile adds its user here.
const USERS: &[User] = &[ADMIN, ROLLOUTS, PROFILES[0], PROFILES[1], PROFILES[2]];

/// Files of certificate, keys, tokens and kubeconfigs in one folder.
#[derive(Debug, Clone)]
pub struct Credentials {
    folder: PathBuf,
}

impl Credentials {
    /// Those of a plan's world, whether they are made already or not.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            folder: plan.folder.join("credentials"),
        }
    }

    /// Makes new ones.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn make(plan: &Plan) -> Result<Self> {
        let made = Self::of(plan);
        std::fs::create_dir_all(&made.folder).with_context(|| format!("make {}", made.folder.display()))?;
        let names = ["127.0.0.1", "10.96.0.1", "kubernetes.default.svc"].map(str::to_owned);
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.self_signed(&key)?;
        std::fs::write(made.certificate(), certificate.pem())?;
        std::fs::write(made.key(), key.serialize_pem())?;
        let key = KeyPair::generate()?;
        std::fs::write(made.service_account_key(), key.serialize_pem())?;
        std::fs::write(made.service_account_public_key(), key.public_key_pem())?;
        let tokens: String = USERS.iter().map(token_line).collect();
        std::fs::write(made.tokens(), tokens)?;
        for user in USERS {
            made.write_kubeconfig(user.token, user, API_SERVER)?;
        }
        made.write_kubeconfig("unreachable", &ROLLOUTS, NOWHERE)?;
        Ok(made)
    }

    /// A kubeconfig of the Rollouts' service account with an address where nobody listens.
    #[must_use]
    pub fn unreachable(&self) -> PathBuf {
        self.folder.join("unreachable.kubeconfig")
    }

    /// The API server's certificate, which is its own authority.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("apiserver.crt")
    }

    /// The API server's key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("apiserver.key")
    }

    /// The key that signs tokens of service accounts.
    #[must_use]
    pub fn service_account_key(&self) -> PathBuf {
        self.folder.join("service-account.key")
    }

    /// The key that verifies them.
    #[must_use]
    pub fn service_account_public_key(&self) -> PathBuf {
        self.folder.join("service-account.pub")
    }

    /// The API server's token file.
    #[must_use]
    pub fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    /// The kubeconfig of a user.
    #[must_use]
    pub fn kubeconfig(&self, user: &User) -> PathBuf {
        self.folder.join(format!("{}.kubeconfig", user.token))
    }

    /// Writes a kubeconfig for `user` at the address `server`, which need not be the API server's (a proxy, or a port
    /// where nobody listens).
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write_kubeconfig(&self, name: &str, user: &User, server: &str) -> Result<PathBuf> {
        let file = self.folder.join(format!("{name}.kubeconfig"));
        let content = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "world",
            "clusters": [{"name": "world", "cluster": {"server": server, "certificate-authority": self.certificate()}}],
            "users": [{"name": user.token, "user": {"token": user.token}}],
            "contexts": [{"name": "world", "context": {"cluster": "world", "user": user.token}}],
        });
        std::fs::write(&file, content.to_string()).with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }
}

/// A line of `--token-auth-file`: token, user, uid, quoted groups.
fn token_line(user: &User) -> String {
    format!(
        "{},{},{},\"{}\"\n",
        user.token, user.name, user.token, user.groups
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_token_line_are_quoted() {
        assert_eq!(token_line(&ADMIN), "admin,admin,admin,\"system:masters\"\n");
    }

    #[test]
    fn every_user_has_a_kubeconfig_that_kube_reads() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::for_tests(folder.path());
        let made = Credentials::make(&plan).unwrap();
        for user in USERS {
            let file = kube::config::Kubeconfig::read_from(made.kubeconfig(user)).unwrap();
            assert_eq!(file.current_context.as_deref(), Some("world"));
        }
    }
}
