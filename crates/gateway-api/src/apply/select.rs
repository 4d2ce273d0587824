//! Finding routes by their labels.

use thiserror::Error;
use tokio::time::{Instant, sleep, timeout_at};

use super::update::pause;
use super::{ApiError, Applier};
use crate::config::RouteSelector;
use crate::{RouteKey, RouteKind};

/// Routes that could not be found by their labels.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SelectError {
    /// The API server.
    #[error("{kind}s in namespace {namespace:?} with labels {labels:?}: list failed")]
    Api {
        /// Kind of the routes.
        kind: RouteKind,
        /// Where they were looked for.
        namespace: String,
        /// The selector.
        labels: String,
        /// Why.
        source: ApiError,
    },
    /// No route has such labels.
    #[error("no {kind} in namespace {namespace:?} has the labels {labels:?} of the selector")]
    Nothing {
        /// Kind of the routes.
        kind: RouteKind,
        /// Where they were looked for.
        namespace: String,
        /// The selector.
        labels: String,
    },
}

impl Applier {
    /// The routes that a selector finds.
    ///
    /// # Errors
    /// Where there is none, or the API server does not list them.
    pub async fn select(
        &self,
        selector: &RouteSelector,
        deadline: Instant,
    ) -> Result<Vec<RouteKey>, SelectError> {
        let RouteSelector {
            kind,
            namespace,
            labels,
        } = selector;
        let watched = self
            .watches
            .as_ref()
            .map(|watches| (watches, watches.select(selector)));
        if let Some((_, (Some(known), _))) = &watched
            && !known.is_empty()
        {
            return Ok(known.clone());
        }
        let mut attempts = 0;
        let list = async {
            loop {
                attempts += 1;
                match self.timed(self.api.routes(selector)).await {
                    Err(error) if error.is_passing() => {
                        let pause = pause(&error, false, attempts);
                        if Instant::now() + pause >= deadline {
                            return Err(error);
                        }
                        sleep(pause).await;
                    }
                    Ok(routes) => {
                        if let Some((watches, (_, Some(token)))) = &watched {
                            watches.found(selector, token, &routes);
                        }
                        return Ok(routes.into_iter().map(|(key, _)| key).collect());
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let keys: Result<Vec<_>, _> = timeout_at(deadline, list)
            .await
            .unwrap_or(Err(ApiError::Timeout(self.limits.call)));
        let (namespace, labels) = (namespace.clone(), labels.clone());
        match keys {
            Ok(keys) if keys.is_empty() => Err(SelectError::Nothing {
                kind: *kind,
                namespace,
                labels,
            }),
            Ok(keys) => Ok(keys),
            Err(source) => Err(SelectError::Api {
                kind: *kind,
                namespace,
                labels,
                source,
            }),
        }
    }
}
