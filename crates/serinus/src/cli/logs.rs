//! Log lines on stderr.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Warnings of this program always; with `-v` what it and the plugin do, with `-vv` every detail. `RUST_LOG` overrides, with
/// levels and targets (`info,hyper=warn`).
pub(super) fn init(verbose: u8) {
    let level = match verbose {
        0 => "serinus=warn,off",
        1 => "info",
        _ => "debug,hyper=info,hyper_util=info",
    };
    let wished = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    let filter: Targets = wished.unwrap_or_else(|| level.parse().expect("the levels above are levels"));
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_writer(std::io::stderr)
        .with_target(verbose > 0);
    // A second call, as in tests, changes nothing.
    drop(tracing_subscriber::registry().with(lines).with(filter).try_init());
}
