//! `rollouts-plugin-trafficrouter-gatewayapi`.

fn main() {}
