//! The plugin service: each call has its own folder, its own deadline and its own end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status, Streaming};

use super::Options;
use super::deadline::time_for;
use super::metrics::Metrics;
use super::receive::{Received, drain, receive};
use crate::generated::plugin::config_management_plugin_service_server::ConfigManagementPluginService;
use crate::generated::plugin::{
    AppStreamRequest, CheckPluginConfigurationResponse, ManifestResponse, ParametersAnnouncementResponse,
    RepositoryResponse,
};
use crate::generated::repository::ParameterAnnouncement;
use crate::plan::Announcement;
use crate::produce::{self, GenerateError, Job, Operator};
use crate::render::{Checkout, Environment, ProcessError, RenderError};

/// The service; clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Service(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: Options,
    work_dir: PathBuf,
    metrics: Arc<Metrics>,
    /// Bounds the requests that are received or worked on.
    requests: Arc<Semaphore>,
    /// Bounds those that are unpacked at the same moment.
    unpacking: Arc<Semaphore>,
}

/// A request made ready for work.
struct Call {
    received: Received,
    environment: Environment,
    deadline: tokio::time::Instant,
    operator: Operator,
    /// Where homes and copies go, in folders of their own.
    work_dir: PathBuf,
}

impl Service {
    pub(super) fn new(options: Options, work_dir: PathBuf, metrics: Arc<Metrics>) -> Service {
        let requests = Arc::new(Semaphore::new(options.max_requests));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let unpacking = Arc::new(Semaphore::new(processors));
        Service(Arc::new(Shared {
            options,
            work_dir,
            metrics,
            requests,
            unpacking,
        }))
    }

    /// Receives a request and works on it in a task of its own: a panic there answers this call and no other, and when the
    /// client goes the task goes too.
    async fn call<T, W, F>(
        &self,
        method: &'static str,
        request: Request<Streaming<AppStreamRequest>>,
        work: W,
    ) -> Result<Response<T>, Status>
    where
        T: Send + 'static,
        W: FnOnce(Call) -> F + Send + 'static,
        F: Future<Output = Result<T, Status>> + Send + 'static,
    {
        let started = Instant::now();
        let _in_flight = self.0.metrics.enter();
        let (metadata, _, mut stream) = request.into_parts();
        let time = time_for(&metadata, self.0.options.most_time);
        let shared = Arc::clone(&self.0);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let deadline = tokio::time::Instant::now() + time;
            let limits = &shared.options.limits;
            let receiving = async {
                let Ok(turn) = Arc::clone(&shared.requests).try_acquire_owned() else {
                    drain(&mut stream, limits.archive_bytes).await;
                    return Err(Status::resource_exhausted(
                        "too many requests at once; raise --max-requests",
                    ));
                };
                let received = receive(&mut stream, &shared.work_dir, limits, &shared.unpacking).await?;
                Ok((turn, received))
            };
            let (_turn, received) = tokio::time::timeout_at(deadline, receiving).await.map_err(|_| {
                Status::deadline_exceeded(format!("the archive was still coming in after {}", seconds(time)))
            })??;
            let variables = received
                .metadata
                .env
                .iter()
                .map(|e| (e.name.clone(), e.value.clone()));
            let call = Call {
                environment: variables.collect(),
                received,
                deadline,
                operator: shared.options.operator.clone(),
                work_dir: shared.work_dir.clone(),
            };
            let late = |_| {
                Status::deadline_exceeded(format!("the manifests were not ready after {}", seconds(time)))
            };
            tokio::time::timeout_at(deadline, work(call))
                .await
                .map_err(late)?
        });
        let result = match tasks.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(Status::internal(format!("the plugin broke off: {error}"))),
            None => Err(Status::internal("the plugin has lost the request")),
        };
        let code = result.as_ref().map_or_else(Status::code, |_| tonic::Code::Ok);
        self.0.metrics.ended(method, code, started.elapsed());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a call of 584 million years has other problems"
        )]
        let millis = started.elapsed().as_millis() as u64;
        match &result {
            Ok(_) => tracing::info!(method, millis, "answered"),
            Err(status) => {
                tracing::warn!(method, millis, code = ?status.code(), problem = status.message(), "refused");
            }
        }
        result.map(Response::new)
    }
}

impl Call {
    /// A little earlier than the call's own deadline, so that what was slow can be named.
    fn work_deadline(&self) -> tokio::time::Instant {
        let time = self
            .deadline
            .saturating_duration_since(tokio::time::Instant::now());
        self.deadline - (time / 20).min(Duration::from_millis(500))
    }

    async fn checkout(&self) -> Result<Checkout, RenderError> {
        self.received
            .files
            .open(&self.received.metadata.app_rel_path)
            .await
    }
}

#[tonic::async_trait]
impl ConfigManagementPluginService for Service {
    async fn generate_manifest(
        &self,
        request: Request<Streaming<AppStreamRequest>>,
    ) -> Result<Response<ManifestResponse>, Status> {
        self.call("GenerateManifest", request, |call| async move {
            let checkout = call.checkout().await.map_err(|e| status_of(&e.into()))?;
            let job = Job {
                checkout: &checkout,
                environment: &call.environment,
                operator: &call.operator,
                deadline: Some(call.work_deadline()),
                private: &call.work_dir,
                borrowed: false,
            };
            let manifests = produce::generate(&job).await.map_err(|e| status_of(&e))?;
            Ok(ManifestResponse {
                manifests,
                source_type: String::new(),
            })
        })
        .await
    }

    async fn check_plugin_configuration(
        &self,
        _: Request<()>,
    ) -> Result<Response<CheckPluginConfigurationResponse>, Status> {
        Ok(Response::new(CheckPluginConfigurationResponse {
            is_discovery_configured: self.0.options.discover,
            provide_git_creds: self.0.options.provide_git_creds,
        }))
    }

    async fn match_repository(
        &self,
        request: Request<Streaming<AppStreamRequest>>,
    ) -> Result<Response<RepositoryResponse>, Status> {
        let is_discovery_enabled = self.0.options.discover;
        self.call("MatchRepository", request, move |call| async move {
            let checkout = call.checkout().await.map_err(|e| status_of(&e.into()))?;
            Ok(RepositoryResponse {
                is_supported: is_discovery_enabled && produce::asks_for_us(&checkout),
                is_discovery_enabled,
            })
        })
        .await
    }

    async fn get_parameters_announcement(
        &self,
        request: Request<Streaming<AppStreamRequest>>,
    ) -> Result<Response<ParametersAnnouncementResponse>, Status> {
        self.call("GetParametersAnnouncement", request, |call| async move {
            let announced = announce(&call).await;
            let parameter_announcements = announced.into_iter().map(message).collect();
            Ok(ParametersAnnouncementResponse {
                parameter_announcements,
            })
        })
        .await
    }
}

/// Announces in the time that there is, also that it was not enough: an announcement that fails shows a plain directory.
async fn announce(call: &Call) -> Vec<Announcement> {
    let deadline = call.work_deadline();
    let on_checkout = |checkout: Checkout| async move {
        let job = Job {
            checkout: &checkout,
            environment: &call.environment,
            operator: &call.operator,
            deadline: Some(deadline),
            private: &call.work_dir,
            borrowed: false,
        };
        match tokio::time::timeout_at(deadline, produce::announce(&job)).await {
            Ok(list) => list,
            Err(_) => produce::announce_problem(&job, "the manifests were not ready in time").await,
        }
    };
    match call.checkout().await {
        Ok(checkout) => on_checkout(checkout).await,
        // The folder is wrong, but what is set can still be shown.
        Err(error) => match call.received.files.open(".").await {
            Ok(root) => {
                let job = Job {
                    checkout: &root,
                    environment: &call.environment,
                    operator: &call.operator,
                    deadline: Some(deadline),
                    private: &call.work_dir,
                    borrowed: false,
                };
                produce::announce_problem(&job, &error.to_string()).await
            }
            Err(_) => Vec::new(),
        },
    }
}

fn message(announcement: Announcement) -> ParameterAnnouncement {
    ParameterAnnouncement {
        name: announcement.name,
        title: announcement.title,
        tooltip: announcement.tooltip,
        collection_type: "string".into(),
        string: announcement.string,
        ..ParameterAnnouncement::default()
    }
}

/// The code says whose turn it is: the developer's, the operator's, or ours. `NotFound` is never used: Argo CD passes over
/// it where the text says "matched no files".
fn status_of(error: &GenerateError) -> Status {
    let text = error.to_string();
    match error {
        GenerateError::Parameters(_) | GenerateError::Plan(_) => Status::invalid_argument(text),
        GenerateError::Render(RenderError::Process(
            ProcessError::Deadline { .. } | ProcessError::Crowded { .. },
        )) => Status::deadline_exceeded(text),
        GenerateError::Render(RenderError::TooLarge { .. }) => Status::resource_exhausted(text),
        GenerateError::Render(RenderError::Io { .. }) | GenerateError::Broken(_) => Status::internal(text),
        _ => Status::failed_precondition(text),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
