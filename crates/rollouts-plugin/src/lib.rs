//! SDK for Argo Rollouts plugins: traffic routers, metric providers, step plugins
