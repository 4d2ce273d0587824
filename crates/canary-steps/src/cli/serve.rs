//! `serve`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::produce::Operator;
use crate::render::Runner;
use crate::server::{Limits, Options, PLUGIN_FOLDER};

/// The socket's name without `.sock`. The `@` is what makes Argo CD's requests valid to HTTP/2 libraries.
pub(super) const NAME: &str = "canary-steps@v1";

/// Flags of `serve`; each is a variable of the environment too.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The folder in which Argo CD looks for sockets.
    #[arg(long, env = "ARGOCD_PLUGINSOCKFILEPATH", default_value = PLUGIN_FOLDER)]
    plugin_folder: PathBuf,
    /// The socket's name without `.sock`; Applications write it as plugin.name. It must hold an @.
    #[arg(long, env = "CANARY_STEPS_NAME", default_value = NAME)]
    name: String,
    /// Permissions of the socket, octal. The repo-server must be able to write to it.
    #[arg(long, env = "CANARY_STEPS_SOCKET_MODE", default_value = "660", value_parser = octal)]
    socket_mode: u32,
    /// The folder in which requests are unpacked. Default: the system's folder for temporary files.
    #[arg(long, env = "ARGOCD_CMP_WORKDIR")]
    work_dir: Option<PathBuf>,
    /// Address for gRPC health, /healthz and /metrics over TCP, e.g. 0.0.0.0:8089. Default: none.
    #[arg(long, env = "CANARY_STEPS_LISTEN")]
    listen: Option<SocketAddr>,
    /// The operator's settings: presets, policy, badge, options of rendering. Read at each request.
    #[arg(long, env = "CANARY_STEPS_CONFIG")]
    config: Option<PathBuf>,
    /// The most bytes of an archive as it is sent.
    #[arg(long, env = "CANARY_STEPS_MAX_ARCHIVE_BYTES", default_value = "268435456")]
    max_archive_bytes: u64,
    /// The most bytes of an archive's files together.
    #[arg(long, env = "CANARY_STEPS_MAX_UNPACKED_BYTES", default_value = "1073741824")]
    max_unpacked_bytes: u64,
    /// The most files, folders and links of an archive.
    #[arg(long, env = "CANARY_STEPS_MAX_ENTRIES", default_value = "100000")]
    max_entries: u64,
    /// The most bytes of a plain directory's manifests together, and of what helm or kustomize writes.
    #[arg(long, env = "CANARY_STEPS_MAX_MANIFEST_BYTES", default_value = "67108864")]
    max_manifest_bytes: u64,
    /// The most requests at once; more are refused.
    #[arg(long, env = "CANARY_STEPS_MAX_REQUESTS", default_value = "256")]
    max_requests: usize,
    /// The most helm and kustomize processes at once; more wait. Default: twice the number of processors.
    #[arg(long, env = "CANARY_STEPS_PARALLELISM")]
    parallelism: Option<usize>,
    /// The most seconds for a request, and those for one without a deadline.
    #[arg(long, env = "CANARY_STEPS_MAX_SECONDS", default_value = "300")]
    max_seconds: u64,
    /// Seconds that requests may still take after SIGTERM.
    #[arg(long, env = "CANARY_STEPS_GRACE_SECONDS", default_value = "20")]
    grace_seconds: u64,
    /// Claim folders that have a .canary.yaml also for Applications that name no plugin. Argo CD then sends every
    /// repository twice.
    #[arg(long, env = "CANARY_STEPS_DISCOVER")]
    discover: bool,
    /// Ask Argo CD for the repository's Git credentials, for remote bases of kustomize.
    #[arg(long, env = "CANARY_STEPS_PROVIDE_GIT_CREDS")]
    provide_git_creds: bool,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Serve {
            plugin_folder,
            name,
            socket_mode,
            work_dir,
            listen,
            config,
            max_archive_bytes,
            max_unpacked_bytes,
            max_entries,
            max_manifest_bytes,
            max_requests,
            parallelism,
            max_seconds,
            grace_seconds,
            discover,
            provide_git_creds,
        } = self;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let most_output = usize::try_from(max_manifest_bytes).unwrap_or(usize::MAX);
        let options = Options {
            plugin_folder,
            name,
            socket_mode,
            work_dir: work_dir.unwrap_or_else(std::env::temp_dir),
            listen,
            limits: Limits {
                archive_bytes: max_archive_bytes,
                unpacked_bytes: max_unpacked_bytes,
                entries: max_entries,
            },
            max_requests,
            most_time: Duration::from_secs(max_seconds),
            grace: Duration::from_secs(grace_seconds),
            discover,
            provide_git_creds,
            operator: Operator {
                config,
                runner: Runner::new(parallelism.unwrap_or(2 * processors), most_output),
                most_manifest_bytes: max_manifest_bytes,
            },
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(crate::server::serve(options))?;
        Ok(())
    }
}

fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "permissions are three octal digits, e.g. 660".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn every_flag_is_in_the_documentation() {
        let page = include_str!("../../../../docs/canary-steps.md");
        let cli = super::super::Cli::command();
        let serve = cli.find_subcommand("serve").unwrap();
        for arg in serve.get_arguments().filter(|arg| arg.get_long() != Some("help")) {
            let flag = format!("`--{}`", arg.get_long().unwrap());
            let variable = format!("`{}`", arg.get_env().unwrap().display());
            assert!(
                page.contains(&format!("{flag}, {variable}")),
                "{flag}, {variable}"
            );
        }
    }
}
