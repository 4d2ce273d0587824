//! An organisation's keys and where its API is.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::config::Site;

/// Where to ask, and with which keys.
#[derive(Clone)]
pub struct Account {
    /// Base address of the API, without a final slash.
    pub api: String,
    /// Base address of the web pages.
    pub app: String,
    /// `DD-API-KEY`.
    pub api_key: String,
    /// `DD-APPLICATION-KEY`.
    pub app_key: String,
    /// Where the keys came from, for messages.
    pub origin: String,
}

impl Account {
    /// An account from what a Secret or the environment holds. Keys are trimmed: Secrets made from files end in a line
    /// feed, which no header may contain.
    ///
    /// # Errors
    /// Which part is wrong and what to write.
    pub fn new(
        api_key: &str,
        app_key: &str,
        address: Option<&str>,
        site: Option<Site>,
        origin: impl Into<String>,
    ) -> Result<Self, String> {
        let origin = origin.into();
        let key = |name: &str, text: &str| {
            let text = text.trim();
            match text {
                "" => Err(format!("{origin}: {name} is missing or empty")),
                text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.to_owned()),
                _ => Err(format!(
                    "{origin}: {name} has characters that no key has; store it without quotes and blanks"
                )),
            }
        };
        let (api_key, app_key) = (key("api-key", api_key)?, key("app-key", app_key)?);
        let address = address.map(str::trim).filter(|address| !address.is_empty());
        let (api, app) = match address {
            None => {
                let site = site.unwrap_or(Site::DEFAULT);
                (site.api(), site.app())
            }
            Some(address) => parse_address(address).map_err(|why| format!("{origin}: address: {why}"))?,
        };
        Ok(Self {
            api,
            app,
            api_key,
            app_key,
            origin,
        })
    }
}

/// The base address of the API as a Secret or `DD_ADDRESS` has it, and the web pages that go with it.
fn parse_address(address: &str) -> Result<(String, String), String> {
    let expected = "write https://api.<site>, such as https://api.datadoghq.eu";
    let bare = address.trim_end_matches('/');
    let Some((scheme, rest)) = bare.split_once("://") else {
        // A bare site is what DD_SITE has; people put it here as well.
        return Site::parse(bare)
            .map(|site| (site.api(), site.app()))
            .map_err(|_| expected.to_owned());
    };
    if !matches!(scheme, "https" | "http") || rest.is_empty() || rest.contains(['@', '?', '#', ' ']) {
        return Err(expected.to_owned());
    }
    let host = rest
        .split(['/', ':'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let app = match Site::of_api_host(&host) {
        Some(site) => site.app(),
        None => Site::DEFAULT.app(),
    };
    Ok((bare.to_owned(), app))
}

impl Account {
    fn identity(&self) -> (&str, &str, &str) {
        (&self.api, &self.api_key, &self.app_key)
    }
}

/// The same keys at the same address are the same account, wherever they were found.
impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Account {}

impl Hash for Account {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// Never shows the keys.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("api", &self.api)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_trimmed_and_never_shown() {
        let account = Account::new("secret-a\n", " secret-b ", None, None, "Secret x/y").unwrap();
        assert_eq!(
            (account.api_key.as_str(), account.app_key.as_str()),
            ("secret-a", "secret-b")
        );
        assert!(!format!("{account:?}").contains("secret"), "{account:?}");
        let why = Account::new("a b", "c", None, None, "Secret x/y").unwrap_err();
        assert_eq!(
            why,
            "Secret x/y: api-key has characters that no key has; store it without quotes and blanks"
        );
        assert!(Account::new("", "c", None, None, "env").is_err());
    }

    #[test]
    fn addresses() {
        let api = |address: &str| {
            Account::new("a", "b", Some(address), None, "env").map(|account| (account.api, account.app))
        };
        assert_eq!(
            api("https://api.datadoghq.eu/").unwrap(),
            (
                "https://api.datadoghq.eu".to_owned(),
                "https://app.datadoghq.eu".to_owned()
            )
        );
        assert_eq!(
            api("us5.datadoghq.com").unwrap().0,
            "https://api.us5.datadoghq.com"
        );
        assert_eq!(
            api("http://127.0.0.1:9000/dd").unwrap().0,
            "http://127.0.0.1:9000/dd"
        );
        for bad in ["ftp://x", "https://", "https://user@host", "nowhere"] {
            assert!(api(bad).is_err(), "{bad}");
        }
    }
}
