//! `kustomize build`, as Argo CD's Kustomize source calls it.
//!
//! Follows `Build` in argo-cd `util/kustomize/kustomize.go`: the Application's fields go into the kustomization by
//! `kustomize edit` first. The files of a request are ours alone, so they may be written; a developer's folder is not.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::checkout::Checkout;
use super::options::KustomizeOptions;
use super::process::{Call, clean};
use super::{RenderError, Request};
use crate::edit::{self, Manifest};

/// Names of the file, in the order in which they are looked for.
pub(super) const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(super) async fn render(
    request: &Request<'_>,
    options: &KustomizeOptions,
) -> Result<Vec<Manifest>, RenderError> {
    let private = request.private_folder()?;
    let home = private.path();
    let original = request.checkout;
    let edits = edits(request, options)?;
    // `kustomize edit` writes; where the files are somebody's, it writes to a copy.
    let copy = if request.borrowed && (!edits.is_empty() || !options.patches.is_empty()) {
        Some(request.copy_into(home)?)
    } else {
        None
    };
    let checkout = copy.as_ref().unwrap_or(original);
    let run = |args: Vec<OsString>, folder: PathBuf| async move {
        let mut env = clean(home, request.environment);
        let own = request
            .environment
            .filtered(|name| name.starts_with("ARGOCD_APP_") && name != "ARGOCD_APP_PARAMETERS");
        env.extend(own.map(|(name, value)| (name.to_owned(), value.into())));
        let call = Call {
            program: "kustomize",
            args,
            folder: &folder,
            env,
            deadline: request.deadline,
        };
        request
            .runner
            .run(call)
            .await
            .map_err(|e| RenderError::process(e, checkout))
    };
    for args in edits {
        run(args, checkout.app().to_owned()).await?;
    }
    if !options.patches.is_empty() {
        add_patches(checkout, &options.patches)?;
    }
    let components = components(checkout, options);
    if !components.is_empty() {
        let mut args: Vec<OsString> = ["edit", "add", "component"].map(OsString::from).to_vec();
        args.extend(components.into_iter().map(OsString::from));
        run(args, checkout.app().to_owned()).await?;
    }

    let mut args: Vec<OsString> = vec!["build".into(), checkout.app().into()];
    args.extend(options.build_options.iter().map(OsString::from));
    if options.build_options.iter().any(|o| o.contains("--enable-helm")) {
        let env = request.environment;
        if let Some(version) = options.kube_version.as_deref().or(env.get("KUBE_VERSION")) {
            args.extend(["--helm-kube-version".into(), version.into()]);
        }
        let own = !options.api_versions.is_empty();
        let cluster = env
            .get("KUBE_API_VERSIONS")
            .unwrap_or_default()
            .split(',')
            .filter(|v| !v.is_empty());
        for version in options
            .api_versions
            .iter()
            .map(String::as_str)
            .chain(cluster.filter(|_| !own))
        {
            args.extend(["--helm-api-versions".into(), version.into()]);
        }
    }
    let text = run(args, checkout.root().to_owned()).await?;
    Ok(vec![Manifest {
        name: "kustomize build".into(),
        text,
    }])
}

/// The `kustomize edit` calls for the fields that are set, in the repo-server's order.
fn edits(request: &Request<'_>, options: &KustomizeOptions) -> Result<Vec<Vec<OsString>>, RenderError> {
    let env = request.environment;
    let words = |fixed: &[&str], rest: Vec<String>| -> Vec<OsString> {
        let fixed = fixed.iter().map(OsString::from);
        fixed.chain(rest.into_iter().map(OsString::from)).collect()
    };
    let mut calls = Vec::new();
    for (field, value) in [
        ("nameprefix", &options.name_prefix),
        ("namesuffix", &options.name_suffix),
    ] {
        if let Some(value) = value {
            calls.push(words(&["edit", "set", field, "--"], vec![value.clone()]));
        }
    }
    // A word that begins with a dash would be a flag.
    if let Some(image) = options.images.iter().find(|i| i.starts_with('-')) {
        return Err(RenderError::Option(format!(
            "kustomize.images: {image:?} is no image"
        )));
    }
    if !options.images.is_empty() {
        let images = options.images.iter().map(|i| env.substitute(i)).collect();
        calls.push(words(&["edit", "set", "image"], images));
    }
    if !options.replicas.is_empty() {
        let replicas = options
            .replicas
            .iter()
            .map(|(name, count)| format!("{name}={count}"))
            .collect();
        calls.push(words(&["edit", "set", "replicas"], replicas));
    }
    if !options.common_labels.is_empty() {
        let mut fixed = vec!["edit", "add", "label"];
        for (flag, set) in [
            ("--force", options.force_common_labels),
            ("--without-selector", options.label_without_selector),
            ("--include-templates", options.label_include_templates),
        ] {
            if set {
                fixed.push(flag);
            }
        }
        let labels = options
            .common_labels
            .iter()
            .map(|(k, v)| format!("{k}:{}", env.substitute(v)))
            .collect();
        calls.push(words(&fixed, labels));
    }
    if !options.common_annotations.is_empty() {
        let mut fixed = vec!["edit", "add", "annotation"];
        if options.force_common_annotations {
            fixed.push("--force");
        }
        let value = |v: &str| {
            if options.common_annotations_envsubst {
                env.substitute(v)
            } else {
                v.to_owned()
            }
        };
        let annotations = options
            .common_annotations
            .iter()
            .map(|(k, v)| format!("{k}:{}", value(v)))
            .collect();
        calls.push(words(&fixed, annotations));
    }
    if let Some(namespace) = &options.namespace {
        calls.push(words(
            &["edit", "set", "namespace", "--"],
            vec![namespace.clone()],
        ));
    }
    Ok(calls)
}

fn components(checkout: &Checkout, options: &KustomizeOptions) -> Vec<String> {
    let there = |component: &&String| {
        !options.ignore_missing_components || matches!(checkout.file(component), Ok(Some(_)))
    };
    options.components.iter().filter(there).cloned().collect()
}

/// Appends to the kustomization's `patches`: there is no `kustomize edit` for it.
fn add_patches(checkout: &Checkout, patches: &[Value]) -> Result<(), RenderError> {
    let file = FILES
        .iter()
        .map(|name| checkout.app().join(name))
        .find(|file| file.exists());
    let file =
        file.ok_or_else(|| RenderError::Option("kustomize.patches: there is no kustomization".into()))?;
    let text = fs::read_to_string(&file).map_err(|e| RenderError::io(&e, &file, checkout))?;
    let wrong = |problem: String| RenderError::File {
        file: checkout.redact(&file.to_string_lossy()),
        problem,
    };
    let mut value = edit::read(&text).map_err(|e| wrong(e.to_string()))?;
    let Some(map) = value.as_object_mut() else {
        return Err(wrong("it is not a mapping".into()));
    };
    let all = map.entry("patches").or_insert_with(|| Value::Array(Vec::new()));
    if all.is_null() {
        *all = Value::Array(Vec::new());
    }
    let Some(all) = all.as_array_mut() else {
        return Err(wrong("its patches are not a list".into()));
    };
    all.extend(patches.iter().cloned());
    // JSON is YAML.
    fs::write(&file, value.to_string()).map_err(|e| RenderError::io(&e, &file, checkout))
}
