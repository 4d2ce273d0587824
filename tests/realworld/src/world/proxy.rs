//! An Envoy as its authors build it, which works with what a control plane tells it.

use std::path::Path;

use anyhow::Result;

use super::{Ground, envoy_dump};
use crate::process::Process;
use crate::tools::ENVOY;
use crate::traffic;
use crate::wait::Seen;

/// The running Envoy.
#[derive(Debug)]
pub(super) struct Proxy {
    process: Process,
    administration: &'static str,
}

impl Proxy {
    /// Starts one whose bootstrap configuration says how to find its control plane and that it tells about itself at
    /// `administration`. It is ready when the control plane has told it something.
    pub(super) async fn start(
        ground: &Ground,
        name: &'static str,
        bootstrap: &Path,
        options: &[&str],
        administration: &'static str,
    ) -> Result<Self> {
        let bootstrap = bootstrap.display().to_string();
        let common = [
            "--config-path",
            &bootstrap,
            "--use-dynamic-base-id",
            "--log-level",
            "warning",
            // What a control plane does that Envoy will forbid one day.
            "--component-log-level",
            "misc:error",
        ];
        let process = ground
            .start_as(name, ENVOY.name, &[&common, options].concat(), &[])
            .await?;
        process
            .ready(&format!("{name} to know its control plane"), async || {
                let (code, body) = traffic::fetch(&format!("http://{administration}/ready")).await?;
                Ok(Seen::when(code == 200, (), || format!("{code} {body}")))
            })
            .await?;
        Ok(Self {
            process,
            administration,
        })
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// All that it tells about the configuration it works with, as JSON.
    pub(super) async fn live(&self) -> Result<String> {
        envoy_dump::fetch(self.administration).await
    }
}
