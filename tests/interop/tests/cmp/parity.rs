//! With nothing switched, a plugin's Application has the manifests that the native one has.
//!
//! An Application with `directory`, `kustomize` or `helm` goes through the repo-server's `GenerateManifests`; then
//! `migrate` turns it into the plugin's form, and it goes the same way through our socket. What the repo-server hands to
//! the controller must be the same, object for object.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use interop::go_package;
use serde_json::{Value, json};

use crate::server::{OURS, Server, path};

/// Argo CD's repo-server as a function, and our server with the same `helm` and `kustomize`.
struct Parity {
    native: Child,
    answers: BufReader<ChildStdout>,
    tools: tempfile::TempDir,
    server: Server,
}

impl Parity {
    /// Builds and starts all; `None` where there is no Go.
    fn start() -> Option<Self> {
        let native = go_package("cmp", "./native")?;
        let helm = go_package("cmp/tools/helm", "helm.sh/helm/v3/cmd/helm")?;
        let kustomize = go_package("cmp/tools/kustomize", "sigs.k8s.io/kustomize/kustomize/v5")?;
        let tools = tempfile::tempdir().unwrap();
        symlink(helm, tools.path().join("helm")).unwrap();
        symlink(kustomize, tools.path().join("kustomize")).unwrap();
        let server = Server::start(&[], &[tools.path()]);
        let mut native = Command::new(native)
            .env("PATH", path(&[tools.path()]))
            .env("ARGOCD_PLUGINSOCKFILEPATH", server.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It traces every command.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let answers = BufReader::new(native.stdout.take().unwrap());
        Some(Self {
            native,
            answers,
            tools,
            server,
        })
    }

    /// The objects of an Application whose source lies in a fresh copy of a sample: Argo CD's own renderers write into
    /// the folder.
    fn manifests(&mut self, sample: &str, application: &Value) -> Result<Vec<Value>, String> {
        let folder = tempfile::tempdir().unwrap();
        copy(&samples().join(sample), folder.path());
        let source = &application["spec"]["source"];
        let request = json!({
            "repo": folder.path(),
            "app": folder.path().join(source["path"].as_str().unwrap()),
            "appName": "shop",
            "namespace": "production",
            "project": "default",
            "kubeVersion": "1.35.4",
            "apiVersions": ["v1", "apps/v1", "gateway.networking.k8s.io/v1/HTTPRoute"],
            "source": source,
        });
        writeln!(self.native.stdin.as_mut().unwrap(), "{request}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["manifests"].as_array_mut().unwrap().drain(..).collect()),
        }
    }

    /// The Application in the plugin's form, as `migrate` writes it; one with no field to migrate names the plugin.
    fn migrated(&self, application: &Value) -> Value {
        let file = self.tools.path().join("application.yaml");
        fs::write(&file, application.to_string()).unwrap();
        let output = Command::new(OURS).arg("migrate").arg(&file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Both ways give the same, and there is something.
    fn check(&mut self, sample: &str, source: &Value) -> Vec<Value> {
        let application = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop"}, "spec": {"source": source}});
        let native = self
            .manifests(sample, &application)
            .unwrap_or_else(|error| panic!("native: {error}"));
        let migrated = self.migrated(&application);
        assert_eq!(migrated["spec"]["source"]["plugin"]["name"], "canary-steps@v1");
        let ours = self
            .manifests(sample, &migrated)
            .unwrap_or_else(|error| panic!("{migrated}: {error}"));
        let pretty = |list: &[Value]| serde_json::to_string_pretty(list).unwrap();
        assert!(!native.is_empty());
        assert_same(&pretty(&native), &pretty(&ours), &migrated);
        self.server.is_clean();
        native
    }
}

/// Fails with the first line in which two texts differ, and what is around it.
fn assert_same(native: &str, ours: &str, application: &Value) {
    let lines = native.lines().zip(ours.lines()).enumerate();
    let first = lines
        .clone()
        .find(|(_, (one, other))| one != other)
        .map(|(n, _)| n);
    if let Some(n) = first {
        let around = |text: &str| {
            text.lines()
                .skip(n.saturating_sub(6))
                .take(12)
                .collect::<Vec<_>>()
                .join("\n")
        };
        panic!(
            "{application}\n--- native\n{}\n--- ours\n{}",
            around(native),
            around(ours)
        );
    }
    assert_eq!(
        native.len(),
        ours.len(),
        "{application}: one goes on where the other ends"
    );
}

impl Drop for Parity {
    fn drop(&mut self) {
        let _ = self.native.kill();
        let _ = self.native.wait();
    }
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmp/samples")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn names(objects: &[Value]) -> Vec<&str> {
    objects
        .iter()
        .map(|o| o["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn plain_directories_are_as_argo_cd_reads_them() {
    let Some(mut parity) = Parity::start() else { return };
    let mut check = |directory: Value| {
        parity.check(
            "plain",
            &json!({"repoURL": "https://example.com/r", "path": "app", "directory": directory}),
        )
    };
    let top = check(json!({}));
    assert_eq!(
        names(&top),
        [
            "marked",
            "odd",
            "odds.example.com",
            "modes",
            "windows",
            "in-a-list",
            "listed",
            "json",
            "web"
        ]
    );
    let all = check(json!({"recurse": true}));
    assert_eq!(all.len(), top.len() + 3);
    let included = check(json!({"recurse": true, "include": "{sub/**,*.json}"}));
    assert!(included.len() < all.len());
    check(json!({"recurse": true, "exclude": "{config.yaml,other/*}"}));
    check(json!({"include": "w*.yaml"}));
}

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn kustomize_is_as_argo_cd_calls_it() {
    let Some(mut parity) = Parity::start() else { return };
    for kustomize in [
        json!({}),
        json!({"namePrefix": "a-", "nameSuffix": "-z", "namespace": "elsewhere"}),
        json!({"images": ["web=registry.example.com/web:v2"], "replicas": [{"name": "worker", "count": 7}]}),
        json!({"commonLabels": {"team": "shop", "app-name": "${ARGOCD_APP_NAME}"}, "commonAnnotations": {"a/b": "yes"}, "commonAnnotationsEnvsubst": true}),
        json!({"patches": [{"target": {"kind": "Service"}, "patch": "- op: replace\n  path: /spec/ports/0/port\n  value: 8080\n"}]}),
    ] {
        let source = json!({"repoURL": "https://example.com/r", "path": "overlay", "kustomize": kustomize});
        assert_eq!(parity.check("kustomize", &source).len(), 4);
    }
}

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn helm_is_as_argo_cd_calls_it() {
    let Some(mut parity) = Parity::start() else { return };
    for helm in [
        json!({}),
        json!({"releaseName": "r", "valueFiles": ["values-prod.yaml"], "skipTests": true}),
        json!({"parameters": [{"name": "image.tag", "value": "v2,3"}, {"name": "replicas", "value": "9", "forceString": true}, {"name": "greeting", "value": "$ARGOCD_APP_NAME says hi"}]}),
        json!({"values": "greeting: 'x: #1 $$'\nsteps:\n- setWeight: 5\n- pause: {}\n", "skipCrds": true}),
        json!({"valuesObject": {"settings": {"on": "yes", "n": null, "list": [1, {"a": 2}]}, "side": {"enabled": false}}}),
        json!({"fileParameters": [{"name": "motd", "path": "motd.txt"}], "namespace": "elsewhere", "kubeVersion": "1.30.0", "apiVersions": ["v1"]}),
        json!({"valueFiles": ["none.yaml", "values-*.yaml"], "ignoreMissingValueFiles": true}),
    ] {
        let source = json!({"repoURL": "https://example.com/r", "path": "shop", "helm": helm});
        let objects = parity.check("helm", &source);
        assert!(objects.iter().any(|o| o["kind"] == "Rollout"));
    }
}
