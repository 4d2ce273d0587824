//! Asking a server for its health: an exec probe without a shell.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Endpoint, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// A server that is not healthy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Nobody answers.
    #[error("{path:?}: {problem}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// It answers that it does not serve.
    #[error("{path:?}: the server says {status:?}")]
    NotServing {
        /// The socket.
        path: PathBuf,
        /// Its status.
        status: ServingStatus,
    },
}

/// Asks the server on a socket for its health.
///
/// # Errors
/// [`ProbeError`] where it does not answer SERVING in time.
pub async fn probe(path: &Path, time: Duration) -> Result<(), ProbeError> {
    let unreachable = |problem: String| ProbeError::Unreachable {
        path: path.to_owned(),
        problem,
    };
    let asked = async {
        let socket = path.to_owned();
        let connect = move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        };
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(tower::service_fn(connect)).await;
        let channel = channel.map_err(|e| unreachable(causes(&e)))?;
        let request = HealthCheckRequest {
            service: String::new(),
        };
        let answer = HealthClient::new(channel).check(request).await;
        Ok(answer
            .map_err(|status| unreachable(status.message().to_owned()))?
            .into_inner()
            .status())
    };
    let status = tokio::time::timeout(time, asked)
        .await
        .map_err(|_| unreachable("no answer in time".into()))??;
    if status == ServingStatus::Serving {
        Ok(())
    } else {
        Err(ProbeError::NotServing {
            path: path.to_owned(),
            status,
        })
    }
}

/// tonic's own error says "transport error"; the reason is behind it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
