//! `rollouts-plugin-metric-datadog`: see the library.

use std::time::Duration;

fn main() -> std::process::ExitCode {
    // Answers come seldom, and may be large: on a busy machine, what they leave behind within a second is as much again as
    // the plugin has.
    allocator::give_back_after(Duration::ZERO);
    datadog::run()
}
