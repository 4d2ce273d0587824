//! `argocd-cmp-canary-steps`: see the library.

fn main() {}
