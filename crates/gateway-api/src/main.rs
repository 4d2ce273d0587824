//! `rollouts-plugin-trafficrouter-gatewayapi`: see the library.

use std::time::Duration;

fn main() -> std::process::ExitCode {
    // After a storm of changes there may be nobody left to give back what it took.
    allocator::give_back_after(Duration::from_millis(100));
    gateway_api::run()
}
