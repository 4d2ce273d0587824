//! `sessionAffinity`: the cookie that keeps users on the version they were drawn for.

use serde_json::Value;

use super::ConfigError;
use super::fields::Fields;

/// Seconds that a cookie lasts where the user does not say: a day.
const DEFAULT_MAX_AGE: u64 = 86_400;
/// Longest life of a cookie in seconds: browsers cut off at 400 days (RFC 6265bis, section 5.5).
const LONGEST_MAX_AGE: u64 = 34_560_000;
/// Longest name, path and domain; together with the value they stay below the 4096 bytes of a header.
const LONGEST_TEXT: usize = 256;

/// The cookie of a sticky release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAffinity {
    /// Its name; [`None`] where it follows from the Rollout's.
    pub cookie_name: Option<String>,
    /// `Max-Age`, 1 to 34,560,000 s.
    pub max_age: u64,
    /// `Path`.
    pub path: String,
    /// `Domain`; [`None`] binds the cookie to the host of the request.
    pub domain: Option<String>,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Partitioned`.
    pub partitioned: bool,
    /// `controllerName`s of gateways that the user vouches for.
    pub trusted_controllers: Vec<String>,
}

/// `SameSite` of a cookie; complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Sent with requests from the same site alone.
    Strict,
    /// Sent also when the user follows a link from elsewhere.
    Lax,
    /// Always sent; browsers then ask for `Secure`.
    None,
}

impl SameSite {
    fn name(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

impl SessionAffinity {
    /// Name of the cookie for this Rollout, `namespace/name`. Without a name of the user's own it carries both: two
    /// Rollouts behind one host must not overwrite each other's.
    pub fn name_for(&self, rollout: &str) -> String {
        match &self.cookie_name {
            Some(name) => name.clone(),
            None => format!("rollout-{}", rollout.replace('/', "-")),
        }
    }

    /// The value of a `Set-Cookie` header.
    pub fn set_cookie(&self, name: &str, value: &str) -> String {
        let mut text = format!("{name}={value}; Path={}; Max-Age={}", self.path, self.max_age);
        if let Some(domain) = &self.domain {
            text.push_str("; Domain=");
            text.push_str(domain);
        }
        text.push_str("; SameSite=");
        text.push_str(self.same_site.name());
        for (attribute, is_set) in [
            ("; Secure", self.secure),
            ("; HttpOnly", self.http_only),
            ("; Partitioned", self.partitioned),
        ] {
            if is_set {
                text.push_str(attribute);
            }
        }
        text
    }

    pub(super) fn parse(path: String, value: &Value) -> Result<Self, ConfigError> {
        let mut fields = Fields::new(path, value)?;
        let cookie_name = checked(&mut fields, "cookieName", is_token, "the name of a cookie")?;
        let path = checked(
            &mut fields,
            "path",
            |text| text.starts_with('/') && is_attribute(text),
            "a path, beginning with /",
        )?;
        let domain = checked(
            &mut fields,
            "domain",
            is_attribute,
            "the domain of the hosts that share the cookie",
        )?;
        let max_age = match fields.value("maxAge") {
            None => DEFAULT_MAX_AGE,
            Some(value) => value
                .as_u64()
                .filter(|age| (1..=LONGEST_MAX_AGE).contains(age))
                .ok_or_else(|| invalid(&fields, "maxAge", value, "1 to 34560000 seconds"))?,
        };
        let secure = fields.bool("secure")?.unwrap_or(false);
        let http_only = fields.bool("httpOnly")?.unwrap_or(true);
        let partitioned = fields.bool("partitioned")?.unwrap_or(false);
        let same_site = match fields.text("sameSite")? {
            None | Some("Lax") => SameSite::Lax,
            Some("Strict") => SameSite::Strict,
            Some("None") => SameSite::None,
            Some(other) => {
                return Err(invalid(&fields, "sameSite", &other.into(), "Strict, Lax or None"));
            }
        };
        let trusted_controllers = fields.strings("trustedControllers")?;
        let trusted_controllers = trusted_controllers.into_iter().map(str::to_owned).collect();

        // What a browser throws away without a word.
        let name = cookie_name.unwrap_or_default();
        let refused = [
            (
                same_site == SameSite::None && !secure,
                "secure",
                "true where sameSite is None, browsers drop the cookie otherwise",
            ),
            (
                partitioned && !secure,
                "secure",
                "true where partitioned is, browsers drop the cookie otherwise",
            ),
            (
                (name.starts_with("__Secure-") || name.starts_with("__Host-")) && !secure,
                "secure",
                "true with a cookieName that begins with __Secure- or __Host-",
            ),
            (
                name.starts_with("__Host-") && (domain.is_some() || path.is_some_and(|path| path != "/")),
                "cookieName",
                "a __Host- name only without domain, and with the path /",
            ),
        ];
        if let Some((_, field, accepted)) = refused.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            let value = if field == "secure" {
                false.into()
            } else {
                name.into()
            };
            return Err(invalid(&fields, field, &value, accepted));
        }
        fields.finish()?;
        Ok(Self {
            cookie_name: cookie_name.map(str::to_owned),
            max_age,
            path: path.unwrap_or("/").to_owned(),
            domain: domain.map(str::to_owned),
            secure,
            http_only,
            same_site,
            partitioned,
            trusted_controllers,
        })
    }
}

fn checked<'a>(
    fields: &mut Fields<'a>,
    field: &'static str,
    fits: impl Fn(&str) -> bool,
    accepted: &'static str,
) -> Result<Option<&'a str>, ConfigError> {
    match fields.text(field)? {
        Some(text) if text.len() > LONGEST_TEXT || !fits(text) => {
            Err(invalid(fields, field, &text.into(), accepted))
        }
        found => Ok(found),
    }
}

fn invalid(fields: &Fields<'_>, field: &str, value: &Value, accepted: &'static str) -> ConfigError {
    ConfigError::Invalid {
        path: fields.path_of(field),
        value: value.to_string(),
        accepted,
    }
}

/// A token of RFC 9110, which cookie names are (RFC 6265, section 4.1.1).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// `av-octets` of RFC 6265 without blanks.
fn is_attribute(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic() && c != ';')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<SessionAffinity, String> {
        SessionAffinity::parse("affinity".into(), &value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cookie_has_safe_defaults() {
        let affinity = parse(json!({})).unwrap();
        let name = affinity.name_for("shop/web");
        assert_eq!(
            affinity.set_cookie(&name, "v"),
            "rollout-shop-web=v; Path=/; Max-Age=86400; SameSite=Lax; HttpOnly"
        );
    }

    #[test]
    fn every_attribute_can_be_said() {
        let affinity = parse(
            json!({"cookieName": "version", "maxAge": 60, "path": "/shop", "domain": "example.com",
            "secure": true, "httpOnly": false, "sameSite": "None", "partitioned": true}),
        )
        .unwrap();
        assert_eq!(
            affinity.set_cookie(&affinity.name_for("shop/web"), "v"),
            "version=v; Path=/shop; Max-Age=60; Domain=example.com; SameSite=None; Secure; Partitioned"
        );
        assert!(parse(json!({"cookieName": "__Host-v", "secure": true})).is_ok());
    }

    #[test]
    fn what_a_browser_would_drop_is_refused() {
        let cases = [
            (json!([]), "affinity must be an object, found []"),
            (
                json!({"cookiename": "a"}),
                "affinity.cookiename is not a known field, did you mean cookieName?",
            ),
            (
                json!({"cookieName": "a b"}),
                "affinity.cookieName is \"a b\", accepted is the name of a cookie",
            ),
            (json!({"cookieName": "a;b"}), "affinity.cookieName is \"a;b\""),
            (
                json!({"maxAge": 0}),
                "affinity.maxAge is 0, accepted is 1 to 34560000 seconds",
            ),
            (json!({"maxAge": "60"}), "affinity.maxAge is \"60\""),
            (
                json!({"path": "shop"}),
                "affinity.path is \"shop\", accepted is a path",
            ),
            (json!({"path": "/a;b"}), "affinity.path is \"/a;b\""),
            (json!({"domain": "a b"}), "affinity.domain is \"a b\""),
            (
                json!({"sameSite": "lax"}),
                "affinity.sameSite is \"lax\", accepted is Strict, Lax or None",
            ),
            (
                json!({"sameSite": "None"}),
                "affinity.secure is false, accepted is true where sameSite is None",
            ),
            (json!({"partitioned": true}), "affinity.secure is false"),
            (
                json!({"cookieName": "__Secure-v"}),
                "affinity.secure is false, accepted is true with a cookieName",
            ),
            (
                json!({"cookieName": "__Host-v", "secure": true, "path": "/a"}),
                "affinity.cookieName is \"__Host-v\"",
            ),
            (json!({"secure": "yes"}), "affinity.secure must be true or false"),
        ];
        for (value, expected) in cases {
            let error = parse(value.clone()).unwrap_err();
            assert!(error.starts_with(expected), "{value}: {error}");
        }
    }
}
