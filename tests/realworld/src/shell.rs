//! A world for somebody who wants to look around in it, or for a program that does.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::process::Command;

use crate::plan::Plan;
use crate::world::argocd::{self, ArgoCd};
use crate::world::{World, credentials};
use crate::{console, example, private, scenarios};

/// Starts the world of a plan, with Argo CD where the plan has its plugin, and in it `command`, or if that is empty a
/// shell in the folder of logs and data. Everything ends with it.
///
/// # Errors
/// When a part of the world does not start, ended by itself meanwhile, or the program cannot be started.
pub async fn inside(file: &Path, command: &[OsString]) -> Result<ExitCode> {
    let plan = Plan::read(file)?;
    console::continue_from(plan.begin);
    private::set_up_network().await?;
    let world = World::start(plan.clone(), &[scenarios::router(&plan, example::ROUTER)?]).await?;
    let argocd = match &plan.canary_steps {
        Some(_) => Some(start_argocd(&world).await?),
        None => None,
    };
    let kubeconfig = world.credentials.kubeconfig(&credentials::ADMIN);
    let mut environment = vec![("KUBECONFIG", kubeconfig.display().to_string())];
    if let Some(gateway) = plan.gateways.last() {
        environment.push(("GATEWAY", gateway.address()));
    }
    if argocd.is_some() {
        environment.push(("ARGOCD", format!("http://{}", argocd::API)));
    }
    let told: Vec<_> = environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    console::line(&told.join(" "));
    let mut process = match command.split_first() {
        Some((program, args)) => {
            let mut process = Command::new(program);
            process.args(args);
            process
        }
        None => {
            let shell = std::env::var_os("SHELL").unwrap_or_else(|| OsString::from("/bin/sh"));
            let mut process = Command::new(shell);
            process.current_dir(&plan.folder);
            process
        }
    };
    let status = process.envs(environment).status().await;
    let status = status.with_context(|| format!("start {}", process.as_std().get_program().display()))?;
    world.stop().await?;
    Ok(code(status))
}

async fn start_argocd(world: &World) -> Result<ArgoCd> {
    for name in [argocd::NAMESPACE, argocd::TEAM_NAMESPACE] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        world.cluster.apply("", &namespace).await?;
    }
    let argocd = ArgoCd::start(world).await?;
    console::say("argocd", "Argo CD is ready");
    Ok(argocd)
}

/// The exit code of a program as this one's own; 1 where a signal ended it.
pub(crate) fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
