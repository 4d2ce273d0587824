//! Datadog's sites.

use serde_json::Value;

use super::ConfigError;
use super::fields::{Fields, nearest};

/// Every site, and the host of its web pages (datadog-api-client 0.38; docs.datadoghq.com "Getting started with sites").
pub const SITES: [(&str, &str); 9] = [
    ("datadoghq.com", "app.datadoghq.com"),
    ("us3.datadoghq.com", "us3.datadoghq.com"),
    ("us5.datadoghq.com", "us5.datadoghq.com"),
    ("ap1.datadoghq.com", "ap1.datadoghq.com"),
    ("ap2.datadoghq.com", "ap2.datadoghq.com"),
    ("uk1.datadoghq.com", "uk1.datadoghq.com"),
    ("datadoghq.eu", "app.datadoghq.eu"),
    ("ddog-gov.com", "app.ddog-gov.com"),
    ("us2.ddog-gov.com", "us2.ddog-gov.com"),
];

/// A known site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site(usize);

impl Site {
    /// Where no site is named.
    pub const DEFAULT: Self = Self(0);

    /// Reads a site's name, with or without `https://`, `api.` or `app.` around it.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let bare = bare.strip_prefix("https://").unwrap_or(&bare);
        let bare = bare
            .strip_prefix("api.")
            .or_else(|| bare.strip_prefix("app."))
            .unwrap_or(bare);
        let names: Vec<&str> = SITES.iter().map(|(name, _)| *name).collect();
        match names.iter().position(|name| *name == bare) {
            Some(index) => Ok(Self(index)),
            None => {
                let near = nearest(bare, &names)
                    .map(|near| format!("; did you mean {near}?"))
                    .unwrap_or_default();
                Err(format!("one of {}{near}", names.join(", ")))
            }
        }
    }

    /// The site whose API has this host, if it is Datadog's own.
    pub fn of_api_host(host: &str) -> Option<Self> {
        SITES
            .iter()
            .position(|(name, _)| host == format!("api.{name}"))
            .map(Self)
    }

    /// The name, as `DD_SITE` has it.
    pub fn name(self) -> &'static str {
        SITES[self.0].0
    }

    /// Base address of the API.
    pub fn api(self) -> String {
        format!("https://api.{}", self.name())
    }

    /// Base address of the web pages.
    pub fn app(self) -> String {
        format!("https://{}", SITES[self.0].1)
    }
}

pub(super) fn parse(fields: &mut Fields<'_>) -> Result<Option<Site>, ConfigError> {
    let Some(text) = fields.text("site")? else {
        return Ok(None);
    };
    Site::parse(&text)
        .map(Some)
        .map_err(|expected| fields.refuse("site", &Value::from(text), &expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_decoration() {
        for text in [
            "datadoghq.eu",
            " DatadogHQ.eu ",
            "https://api.datadoghq.eu/",
            "app.datadoghq.eu",
        ] {
            assert_eq!(
                Site::parse(text).unwrap().api(),
                "https://api.datadoghq.eu",
                "{text}"
            );
        }
        assert_eq!(
            Site::parse("us5.datadoghq.com").unwrap().app(),
            "https://us5.datadoghq.com"
        );
        let why = Site::parse("datadoqhq.eu").unwrap_err();
        assert!(why.ends_with("did you mean datadoghq.eu?"), "{why}");
    }
}
