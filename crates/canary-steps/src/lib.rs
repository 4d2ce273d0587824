//! Argo CD Config Management Plugin that switches canary steps
