//! Log lines on stderr.

use tracing_subscriber::EnvFilter;

/// Warnings of this program always; with `-v` what it and the plugin do, with `-vv` every detail. `RUST_LOG` overrides.
pub(super) fn init(verbose: u8) {
    let level = match verbose {
        0 => "serinus=warn,off",
        1 => "info",
        _ => "debug,hyper=info,hyper_util=info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .without_time()
        .with_writer(std::io::stderr);
    // A second call, as in tests, changes nothing.
    drop(subscriber.with_target(verbose > 0).try_init());
}
