//! Argo Rollouts traffic router for the Gateway API
