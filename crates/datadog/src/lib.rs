//! Argo Rollouts metric provider for Datadog
