//! Gathering, sending and taking apart joint requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Failure;
use super::exchange::{Answered, Asked, CROWDED, Exchange, Member, Outcome, QueueKey};
use crate::judge::{Columns, read_v1};
use crate::plan::batch::{Limits, join, plan_groups, size};
use crate::plan::{self, Ask, Endpoint, Window, formula};

/// How much a joint v1 request carries: it is an address, and Datadog's own Cluster Agent keeps to these numbers
/// (`pkg/util/kubernetes/autoscalers/processor.go`).
const V1_LIMITS: Limits = Limits {
    queries: 35,
    bytes: 7000,
};
/// From this level of trouble on a question travels alone.
const ALONE: u32 = 3;

impl Exchange {
    /// Puts a question into the queue of its account and window. Whoever opens a queue has it sent.
    pub(super) fn enqueue(&self, member: Member, alone: bool) {
        let queue = member.key.queue.clone();
        let opened = {
            let mut queues = self.0.queues.lock().expect("no panic holds this lock");
            let members = queues.entry(queue.clone()).or_default();
            members.push(member);
            members.len() == 1
        };
        if opened {
            let exchange = self.clone();
            let gather = match alone {
                true => Duration::ZERO,
                false => self.gather(&queue),
            };
            tokio::spawn(async move {
                if !gather.is_zero() {
                    tokio::time::sleep(gather).await;
                }
                exchange.dispatch(&queue);
            });
        }
    }

    fn gather(&self, queue: &QueueKey) -> Duration {
        let joint = self.joint_in_a_row(queue);
        self.0.settings.gather
            * 1_u32
                .checked_shl(joint)
                .map_or(CROWDED, |times| times.min(CROWDED))
    }

    fn joint_in_a_row(&self, queue: &QueueKey) -> u32 {
        let crowd = self.0.crowds.recall(&(queue.account.clone(), queue.endpoint));
        crowd.map_or(0, |(joint, _)| joint)
    }

    /// Sends what has gathered, in as few requests as limits and earlier troubles allow.
    fn dispatch(&self, queue: &QueueKey) {
        let members = self
            .0
            .queues
            .lock()
            .expect("no panic holds this lock")
            .remove(queue)
            .unwrap_or_default();
        if members.len() > 1 {
            let name = (queue.account.clone(), queue.endpoint);
            self.0
                .crowds
                .remember(name, self.joint_in_a_row(queue).saturating_add(1));
        }
        let mut levels: [Vec<Member>; ALONE as usize + 1] = Default::default();
        for member in members {
            let level = if member.travels_alone() {
                ALONE
            } else {
                self.trouble(&member)
            };
            levels[level as usize].push(member);
        }
        for (level, members) in levels.into_iter().enumerate() {
            let limits = self.limits(queue.endpoint, level as u32);
            let sizes: Vec<(usize, usize)> = members.iter().map(Member::size).collect();
            for group in plan_groups(&sizes, limits) {
                let (exchange, group) = (self.clone(), members[group].to_vec());
                tokio::spawn(async move { exchange.send(group).await });
            }
        }
    }

    /// A hundred together, then 25, then 6, then one: a question that was in a failing request travels in a smaller one
    /// the next time, so that the guilty one is soon alone.
    fn limits(&self, endpoint: Endpoint, level: u32) -> Limits {
        let full = match endpoint {
            Endpoint::V1Query => V1_LIMITS,
            _ => self.0.settings.batch,
        };
        match level {
            ALONE.. => Limits { queries: 1, bytes: 1 },
            level => Limits {
                queries: (full.queries >> (2 * level)).max(1),
                bytes: full.bytes,
            },
        }
    }

    fn trouble(&self, member: &Member) -> u32 {
        self.0
            .troubles
            .recall(&member.name())
            .map_or(0, |(level, _)| level.min(ALONE))
    }

    fn note_trouble(&self, member: &Member, level: u32) {
        self.0.troubles.remember(member.name(), level.min(ALONE));
    }

    /// Sends a group and lands all its members.
    fn send(&self, group: Vec<Member>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if group.is_empty() {
                return;
            }
            let began = Instant::now();
            if let [first] = group.as_slice() {
                let outcome = self.send_alone(first).await;
                match &outcome {
                    Ok(_) => {}
                    Err(Failure::Throttled { .. } | Failure::Unauthorized { .. }) => {}
                    // An outage is nobody's fault.
                    Err(Failure::Unavailable(_)) if !self.answered_since(&first.key.queue, began) => {}
                    Err(_) => self.note_trouble(first, ALONE),
                }
                return self.land(first, outcome);
            }
            match self.send_together(&group).await {
                Ok(answers) => {
                    let mut missing = Vec::new();
                    for (member, answer) in group.iter().zip(answers) {
                        match answer {
                            Some(answer) => self.land(member, Ok((Arc::new(answer), group.len()))),
                            // Datadog writes its formula in another way; the next time it need not wait for others.
                            None if self.is_flying(member) => {
                                self.note_trouble(member, ALONE);
                                missing.push(member.clone());
                            }
                            None => {}
                        }
                    }
                    self.send_each(missing).await;
                }
                // The request is wrong because of some of them: halve until those are alone.
                Err(Failure::Refused(_) | Failure::Missing(_) | Failure::Unreadable(_)) => {
                    let flying: Vec<Member> = group
                        .into_iter()
                        .filter(|member| self.is_flying(member))
                        .collect();
                    let (left, right) = flying.split_at(flying.len() / 2);
                    tokio::join!(self.send(left.to_vec()), self.send(right.to_vec()));
                }
                // The keys are wrong for all of them, or may not see what some of them ask: a few far apart tell.
                Err(Failure::Unauthorized { status, why }) => {
                    let mut rest = group;
                    let (mut refused, mut seen) = (Vec::new(), false);
                    for place in [rest.len() - 1, rest.len() / 2, 0] {
                        // One of two is both the one in the middle and the last.
                        if place >= rest.len() {
                            continue;
                        }
                        let witness = rest.remove(place);
                        let outcome = self.send_alone(&witness).await;
                        match outcome {
                            Err(Failure::Unauthorized { .. }) => refused.push(witness.clone()),
                            _ => seen = true,
                        }
                        self.land(&witness, outcome);
                    }
                    if seen {
                        // They would fail the next joint request, too.
                        refused.iter().for_each(|member| self.note_trouble(member, ALONE));
                        let (left, right) = rest.split_at(rest.len() / 2);
                        tokio::join!(self.send(left.to_vec()), self.send(right.to_vec()));
                        return;
                    }
                    for member in &rest {
                        let why = why.clone();
                        self.land(member, Err(Failure::Unauthorized { status, why }));
                    }
                }
                Err(failure) => {
                    for member in &group {
                        if matches!(failure, Failure::Unavailable(_))
                            && self.is_flying(member)
                            && self.answered_since(&member.key.queue, began)
                        {
                            self.note_trouble(member, self.trouble(member) + 1);
                        }
                        self.land(member, Err(failure.clone()));
                    }
                }
            }
        })
    }

    /// Asks in one request, and beside it one by one where that is slow and the budget allows it.
    async fn send_together(&self, group: &[Member]) -> Result<Vec<Option<Answered>>, Failure> {
        let mut joint = Box::pin(self.send_joint(group));
        let queue = &group[0].key.queue;
        if let Ok(outcome) = tokio::time::timeout(self.slow(queue), &mut joint).await {
            return outcome;
        }
        if self.room(&queue.account, queue.endpoint) < group.len() as u64 {
            return joint.await;
        }
        tokio::join!(joint, self.take_apart(group)).0
    }

    /// A joint request is slow: each question also goes by itself, and the guilty ones are remembered.
    async fn take_apart(&self, group: &[Member]) {
        let watch = async {
            tokio::time::sleep(self.0.settings.slow).await;
            let (flying, landed): (Vec<&Member>, Vec<&Member>) =
                group.iter().partition(|member| self.is_flying(member));
            // Where nobody has landed, Datadog is slow for all of them and none is to blame.
            for member in flying.iter().filter(|_| !landed.is_empty()) {
                self.note_trouble(member, ALONE);
            }
        };
        tokio::join!(self.send_each(group.to_vec()), watch);
    }

    async fn send_each(&self, members: Vec<Member>) {
        let mut tasks = tokio::task::JoinSet::new();
        for member in members {
            let exchange = self.clone();
            tasks.spawn(async move {
                let outcome = exchange.send_alone(&member).await;
                // Put off for want of budget: the joint request may still answer.
                if !matches!(outcome, Err(Failure::Throttled { .. })) {
                    exchange.land(&member, outcome);
                } else if exchange.is_flying(&member) {
                    tokio::time::sleep(exchange.0.settings.slow).await;
                    exchange.land(&member, outcome);
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Asks one question exactly as its metric wrote it.
    async fn send_alone(&self, member: &Member) -> Outcome {
        let QueueKey { account, window, .. } = &member.key.queue;
        let reply = match &member.asked {
            Asked::V1(query) => {
                self.call(account, &plan::v1(&[query], *window), member.timeout)
                    .await?
            }
            Asked::Scalar(ask) => {
                self.call(account, &plan::scalar(ask, *window), member.timeout)
                    .await?
            }
        };
        let answer = match &member.asked {
            Asked::V1(_) => Answered::Series(read_v1(&reply.body, 1)?.pop().flatten()),
            Asked::Scalar(ask) => Answered::Columns(
                ask.in_order(Columns::read(&reply.body)?)
                    .map_err(Failure::Unreadable)?,
            ),
        };
        Ok((Arc::new(answer), 1))
    }

    /// Asks many questions in one request. An answer that is missing is [`None`].
    async fn send_joint(&self, group: &[Member]) -> Result<Vec<Option<Answered>>, Failure> {
        let QueueKey {
            account,
            window,
            endpoint,
        } = &group[0].key.queue;
        let timeout = group
            .iter()
            .map(|member| member.timeout)
            .max()
            .unwrap_or_default();
        let window: Window = *window;
        if *endpoint == Endpoint::V1Query {
            let queries: Vec<&str> = group.iter().filter_map(|member| member.v1()).collect();
            let reply = self.call(account, &plan::v1(&queries, window), timeout).await?;
            let series = read_v1(&reply.body, queries.len())?;
            return Ok(series
                .into_iter()
                .map(|series| Some(Answered::Series(series)))
                .collect());
        }
        let asks: Vec<&Ask> = group.iter().filter_map(|member| member.ask()).collect();
        let joint = join(&asks);
        let reply = self
            .call(account, &plan::scalar(&joint.ask, window), timeout)
            .await?;
        let columns = Columns::read(&reply.body)?;
        if columns.groups.is_some() {
            return Err(Failure::Unreadable(
                "an answer without grouped queries has groups".to_owned(),
            ));
        }
        let answers = joint.columns.iter().map(|names| {
            let numbers = names
                .iter()
                .map(|name| columns.named(name).cloned())
                .collect::<Option<Vec<_>>>()?;
            Some(Answered::Columns(Columns {
                numbers,
                groups: None,
            }))
        });
        Ok(answers.collect())
    }
}

impl Member {
    fn name(&self) -> (Arc<super::Account>, String) {
        (self.key.queue.account.clone(), self.key.identity.clone())
    }

    fn v1(&self) -> Option<&str> {
        match &self.asked {
            Asked::V1(query) => Some(query),
            Asked::Scalar(_) => None,
        }
    }

    fn ask(&self) -> Option<&Ask> {
        match &self.asked {
            Asked::Scalar(ask) => Some(ask),
            Asked::V1(_) => None,
        }
    }

    fn travels_alone(&self) -> bool {
        match &self.asked {
            Asked::V1(query) => formula::is_several(query),
            Asked::Scalar(ask) => ask.grouped,
        }
    }

    fn size(&self) -> (usize, usize) {
        match &self.asked {
            Asked::V1(query) => (1, query.len() + 1),
            Asked::Scalar(ask) => size(ask),
        }
    }
}
