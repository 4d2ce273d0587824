//! Argo CD's version service.

use tonic::{Request, Response, Status};

use crate::generated::version::VersionMessage;
use crate::generated::version::version_service_server::VersionService;

/// Answers with this plugin's version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version;

#[tonic::async_trait]
impl VersionService for Version {
    async fn version(&self, _: Request<()>) -> Result<Response<VersionMessage>, Status> {
        Ok(Response::new(VersionMessage {
            version: format!("v{}", env!("CARGO_PKG_VERSION")),
            platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            compiler: "rustc".into(),
            ..VersionMessage::default()
        }))
    }
}
