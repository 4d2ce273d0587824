//! Users who keep their cookies, as browsers do, and come again.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, ensure};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::binomial::{CONFIDENCE, accepted};
use crate::traffic::{HttpClient, Load, client};

/// Simulated users of one application, each with a cookie jar.
#[derive(Debug)]
pub struct Users {
    load: Load,
    jars: Vec<Jar>,
    client: HttpClient,
}

/// A user's cookies, by name.
type Jar = BTreeMap<String, String>;

/// What users saw in one round of visits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// The version that each user saw, in the order of users; the last one, if several.
    pub versions: Vec<String>,
    /// Users who saw more than one.
    pub wavering: u64,
}

impl Users {
    /// `count` users without any cookie.
    #[must_use]
    pub fn new(load: Load, count: usize) -> Self {
        Self {
            load,
            jars: vec![Jar::new(); count],
            client: client(),
        }
    }

    /// Lets every user send `times` requests, one after the other, and keep what cookies come back.
    ///
    /// # Errors
    /// When a request fails.
    pub async fn visit(&mut self, times: usize) -> Result<Census> {
        let waiting: Vec<(usize, Jar)> = std::mem::take(&mut self.jars).into_iter().enumerate().collect();
        let waiting = Arc::new(Mutex::new(waiting));
        let mut workers = JoinSet::new();
        for _ in 0..self.load.at_once {
            let (waiting, load, client) = (waiting.clone(), self.load.clone(), self.client.clone());
            workers.spawn(async move {
                let mut done = Vec::new();
                loop {
                    let Some((number, mut jar)) = waiting.lock().await.pop() else {
                        return Ok(done);
                    };
                    let seen = visit(&load, &client, &mut jar, times).await?;
                    done.push((number, jar, seen));
                }
            });
        }
        let mut all = Vec::new();
        while let Some(done) = workers.join_next().await {
            let done: Result<_> = done?;
            all.extend(done?);
        }
        all.sort_by_key(|(number, ..)| *number);
        let mut census = Census::default();
        for (_, jar, seen) in all {
            self.jars.push(jar);
            census.wavering += u64::from(seen.iter().any(|version| *version != seen[0]));
            census.versions.extend(seen.last().cloned());
        }
        Ok(census)
    }
}

async fn visit(load: &Load, client: &HttpClient, jar: &mut Jar, times: usize) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for _ in 0..times {
        let cookies: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let load = match cookies[..] {
            [] => load.clone(),
            _ => load.clone().header("cookie", &cookies.join("; ")),
        };
        let answer = load.ask(client).await.map_err(|what| anyhow::anyhow!(what))?;
        for cookie in &answer.cookies {
            keep(jar, cookie);
        }
        seen.push(answer.version);
    }
    Ok(seen)
}

/// Puts a `Set-Cookie` value into the jar, or takes it out when its `Max-Age` is not above zero (RFC 6265, 5.2.2).
fn keep(jar: &mut Jar, cookie: &str) {
    let mut parts = cookie.split(';').map(str::trim);
    let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
        return;
    };
    let ended = parts
        .filter_map(|attribute| attribute.split_once('='))
        .any(|(name, value)| {
            name.eq_ignore_ascii_case("max-age") && value.parse().is_ok_and(|seconds: i64| seconds <= 0)
        });
    if ended {
        jar.remove(name);
    } else {
        jar.insert(name.to_owned(), value.to_owned());
    }
}

impl Census {
    /// How many users saw this version.
    #[must_use]
    pub fn of(&self, version: &str) -> u64 {
        self.versions.iter().filter(|seen| *seen == version).count() as u64
    }

    /// Checks that every user saw one version only and that the share of users who saw `version` is consistent with
    /// `share`; the sentence that comes back states both.
    ///
    /// # Errors
    /// The same sentence, when it is not so.
    pub fn expect_share(&self, version: &str, share: f64) -> Result<String> {
        let (total, count) = (self.versions.len() as u64, self.of(version));
        let range = accepted(total, share, CONFIDENCE);
        let sentence = format!(
            "{count} of {total} users are on {version}, {} saw both; {} % of {total}, {} % binomial: {} to {}",
            self.wavering,
            share * 100.0,
            CONFIDENCE * 100.0,
            range.start(),
            range.end()
        );
        ensure!(self.wavering == 0 && range.contains(&count), "{sentence}");
        Ok(sentence)
    }

    /// How many users saw this version before and see another one now.
    #[must_use]
    pub fn left(&self, before: &Self, version: &str) -> u64 {
        let pairs = before.versions.iter().zip(&self.versions);
        pairs
            .filter(|(before, now)| *before == version && *now != version)
            .count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jars_keep_the_newest_value_and_forget_what_has_ended() {
        let mut jar = Jar::new();
        keep(&mut jar, "release=a; Path=/; Max-Age=86400; Secure");
        keep(&mut jar, "release=b; Path=/");
        keep(&mut jar, "other=x=y");
        assert_eq!(
            jar,
            [("other".into(), "x=y".into()), ("release".into(), "b".into())].into()
        );
        keep(&mut jar, "release=; max-age=0");
        assert_eq!(jar.len(), 1);
    }

    #[test]
    fn a_census_counts_users_and_those_who_wavered() {
        let census = |versions: &[&str], wavering| Census {
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            wavering,
        };
        let before = census(&["v1", "v2", "v1", "v2"], 0);
        assert!(before.expect_share("v2", 0.5).is_ok());
        assert!(before.expect_share("v2", 0.0).is_err());
        assert!(
            census(&["v1", "v2", "v1", "v2"], 1)
                .expect_share("v2", 0.5)
                .is_err()
        );
        let now = census(&["v2", "v1", "v1", "v2"], 0);
        assert_eq!(now.left(&before, "v2"), 1);
    }
}
