//! Code that `tests/generated.rs` writes from `proto/`.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// Argo CD's plugin service.
pub mod plugin {
    include!("plugin.rs");
}

/// What the plugin service uses of Argo CD's package `repository`.
pub mod repository {
    include!("repository.rs");
}

/// Argo CD's version service.
pub mod version {
    include!("version.rs");
}

/// All of it, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");
