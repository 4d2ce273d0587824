//! `serinus demo`

use super::show::{Show, settings, show};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    show: Show,
}

pub(super) async fn run(args: Args) -> anyhow::Result<bool> {
    show(
        &crate::rehearsal::demo::script()?,
        &args.show,
        settings(&args.show),
    )
    .await
}
