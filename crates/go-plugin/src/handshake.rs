//! The magic cookie, the environment a host sets, and the one line a plugin prints (`server.go`, `Serve`;
//! `client.go`, `Start`).

use std::{borrow::Cow, ffi::OsString, fmt, path::PathBuf};

/// The version of go-plugin's own protocol, first in the line (`CoreProtocolVersion`).
pub const CORE_PROTOCOL_VERSION: u32 = 1;

pub(crate) const PROTOCOL_VERSIONS: &str = "PLUGIN_PROTOCOL_VERSIONS";
pub(crate) const CLIENT_CERT: &str = "PLUGIN_CLIENT_CERT";
pub(crate) const UNIX_SOCKET_DIR: &str = "PLUGIN_UNIX_SOCKET_DIR";
pub(crate) const UNIX_SOCKET_GROUP: &str = "PLUGIN_UNIX_SOCKET_GROUP";

/// What host and plugin agree on beforehand (`HandshakeConfig`). The cookie is no secret: it tells a plugin that it was
/// started by its host and not by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The environment variable (`MagicCookieKey`).
    pub cookie_key: Cow<'static, str>,
    /// Its value (`MagicCookieValue`).
    pub cookie_value: Cow<'static, str>,
    /// The version of the application's protocol (`ProtocolVersion`).
    pub protocol_version: u32,
}

impl Handshake {
    /// Agreed in constants, as it usually is.
    pub const fn new(cookie_key: &'static str, cookie_value: &'static str, protocol_version: u32) -> Self {
        Self {
            cookie_key: Cow::Borrowed(cookie_key),
            cookie_value: Cow::Borrowed(cookie_value),
            protocol_version,
        }
    }

    /// What a host asks for in the environment `variable` reads; refuses what this plugin cannot give.
    ///
    /// As in Go, a host that names no versions is served, and an entry of its list that is no number is passed over.
    pub fn accept(&self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Terms, Refusal> {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        match text(&self.cookie_key) {
            None => return Err(Refusal::NoHost),
            Some(value) if value != self.cookie_value => {
                return Err(Refusal::OtherPlugin {
                    variable: self.cookie_key.to_string(),
                    expected: self.cookie_value.to_string(),
                    value,
                });
            }
            Some(_) => {}
        }
        let is_set = |value: &String| !value.is_empty();
        if let Some(host) = text(PROTOCOL_VERSIONS).filter(is_set) {
            let mut versions = host
                .split(',')
                .filter_map(|version| version.trim().parse::<u32>().ok());
            if !versions.any(|version| version == self.protocol_version) {
                return Err(Refusal::ProtocolVersion {
                    plugin: self.protocol_version,
                    host,
                });
            }
        }
        if text(CLIENT_CERT).is_some_and(|cert| !cert.is_empty()) {
            return Err(Refusal::AutoMtls);
        }
        Ok(Terms {
            socket_dir: variable(UNIX_SOCKET_DIR)
                .filter(|dir| !dir.is_empty())
                .map(PathBuf::from),
            socket_group: text(UNIX_SOCKET_GROUP).filter(is_set),
        })
    }
}

/// What the host wants of the plugin's socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Where to put it (`PLUGIN_UNIX_SOCKET_DIR`); the system's temporary directory unless said.
    pub socket_dir: Option<PathBuf>,
    /// The group, a name or a number, that may connect (`PLUGIN_UNIX_SOCKET_GROUP`).
    pub socket_group: Option<String>,
}

/// Why a plugin does not serve the one who started it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Started by hand.
    #[error(
        "this program is a plugin and not meant to be started by itself: \
         register it with the program that uses it, which starts it when needed"
    )]
    NoHost,
    /// Started by a host of another kind of plugin.
    #[error(
        "this is a {expected:?} plugin, but the host that started it wants a {value:?} plugin ({variable}={value})"
    )]
    OtherPlugin {
        /// The cookie's name.
        variable: String,
        /// The cookie's value of this plugin.
        expected: String,
        /// What the host set.
        value: String,
    },
    /// No version in common.
    #[error(
        "this plugin speaks protocol version {plugin}, the host that started it only {host} ({PROTOCOL_VERSIONS})"
    )]
    ProtocolVersion {
        /// Ours.
        plugin: u32,
        /// The host's list.
        host: String,
    },
    /// The host wants TLS.
    #[error(
        "the host that started this plugin wants AutoMTLS ({CLIENT_CERT} is set), which this plugin does not speak: \
         turn AutoMTLS off in the host's client configuration"
    )]
    AutoMtls,
}

/// The line a plugin prints: `core version|protocol version|network|address|protocol|certificate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The version of the application's protocol.
    pub protocol_version: u32,
    /// Where the plugin listens.
    pub address: Address,
}

/// Where a plugin listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// The path of a unix socket.
    Unix(PathBuf),
    /// `host:port`, as plugins on Windows do.
    Tcp(String),
}

/// Why a line is not a handshake that a host of net/rpc plugins can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Fewer than four fields.
    #[error("the plugin's first line is no handshake: {0:?}")]
    Unrecognized(String),
    /// Another go-plugin.
    #[error("the plugin speaks version {0:?} of go-plugin's protocol, expected {CORE_PROTOCOL_VERSION}")]
    CoreVersion(String),
    /// Another version of the application's protocol.
    #[error("the plugin speaks protocol version {plugin:?}, expected {expected}")]
    ProtocolVersion {
        /// The plugin's.
        plugin: String,
        /// Ours.
        expected: u32,
    },
    /// Neither `unix` nor `tcp`.
    #[error("the plugin listens on a network of unknown type {0:?}")]
    Network(String),
    /// Not net/rpc.
    #[error("the plugin speaks {0:?}, expected \"netrpc\"")]
    Protocol(String),
}

impl Line {
    /// Reads a plugin's line, with or without its line end. As in Go, the protocol is `netrpc` unless a fifth field
    /// says otherwise, and further fields are not looked at.
    pub fn parse(line: &str, protocol_version: u32) -> Result<Self, LineError> {
        let fields: Vec<&str> = line.trim().split('|').collect();
        let [core, version, network, address, rest @ ..] = fields.as_slice() else {
            return Err(LineError::Unrecognized(line.trim().to_owned()));
        };
        if core.parse() != Ok(CORE_PROTOCOL_VERSION) {
            return Err(LineError::CoreVersion((*core).to_owned()));
        }
        if version.parse() != Ok(protocol_version) {
            return Err(LineError::ProtocolVersion {
                plugin: (*version).to_owned(),
                expected: protocol_version,
            });
        }
        let address = match *network {
            "unix" => Address::Unix(PathBuf::from(address)),
            "tcp" => Address::Tcp((*address).to_owned()),
            other => return Err(LineError::Network(other.to_owned())),
        };
        match rest.first() {
            None | Some(&"netrpc") => Ok(Self {
                protocol_version,
                address,
            }),
            Some(other) => Err(LineError::Protocol((*other).to_owned())),
        }
    }
}

impl fmt::Display for Line {
    /// Without the line end. The last field, a certificate, is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.protocol_version;
        match &self.address {
            Address::Unix(path) => {
                write!(
                    f,
                    "{CORE_PROTOCOL_VERSION}|{version}|unix|{}|netrpc|",
                    path.display()
                )
            }
            Address::Tcp(address) => write!(f, "{CORE_PROTOCOL_VERSION}|{version}|tcp|{address}|netrpc|"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROUTER: Handshake = Handshake::new("COOKIE", "trafficrouter", 1);

    fn accept(environment: &[(&str, &str)]) -> Result<Terms, Refusal> {
        ROUTER.accept(|name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_environment_of_a_host() {
        let cookie = ("COOKIE", "trafficrouter");
        assert_eq!(accept(&[cookie]), Ok(Terms::default()));
        assert_eq!(accept(&[cookie, (PROTOCOL_VERSIONS, "1")]), Ok(Terms::default()));
        assert_eq!(
            accept(&[cookie, (PROTOCOL_VERSIONS, "x,2, 1")]),
            Ok(Terms::default())
        );
        assert_eq!(
            accept(&[cookie, (PROTOCOL_VERSIONS, ""), (UNIX_SOCKET_GROUP, "")]),
            Ok(Terms::default())
        );
        let dir_and_group = accept(&[cookie, (UNIX_SOCKET_DIR, "/run/x"), (UNIX_SOCKET_GROUP, "999")]);
        let terms = Terms {
            socket_dir: Some("/run/x".into()),
            socket_group: Some("999".into()),
        };
        assert_eq!(dir_and_group, Ok(terms));
    }

    #[test]
    fn refusals_say_what_was_seen_and_what_is_accepted() {
        let refusal = |environment: &[(&str, &str)]| accept(environment).unwrap_err().to_string();
        assert!(refusal(&[]).contains("register it with the program that uses it"));
        assert_eq!(
            refusal(&[("COOKIE", "metricprovider")]),
            "this is a \"trafficrouter\" plugin, but the host that started it wants a \"metricprovider\" plugin \
             (COOKIE=metricprovider)"
        );
        let cookie = ("COOKIE", "trafficrouter");
        assert_eq!(
            refusal(&[cookie, (PROTOCOL_VERSIONS, "2,3")]),
            "this plugin speaks protocol version 1, the host that started it only 2,3 (PLUGIN_PROTOCOL_VERSIONS)"
        );
        assert!(refusal(&[cookie, (CLIENT_CERT, "-----BEGIN")]).contains("AutoMTLS"));
    }

    #[test]
    fn lines() {
        let line = Line {
            protocol_version: 1,
            address: Address::Unix("/tmp/plugin42".into()),
        };
        assert_eq!(line.to_string(), "1|1|unix|/tmp/plugin42|netrpc|");
        for same in [
            "1|1|unix|/tmp/plugin42|netrpc|\n",
            "1|1|unix|/tmp/plugin42",
            " 1|1|unix|/tmp/plugin42|netrpc|cert|true",
        ] {
            assert_eq!(Line::parse(same, 1), Ok(line.clone()), "{same:?}");
        }
        let tcp = Line {
            protocol_version: 7,
            address: Address::Tcp("127.0.0.1:10000".into()),
        };
        assert_eq!(Line::parse(&tcp.to_string(), 7), Ok(tcp));
    }

    #[test]
    fn lines_that_are_none() {
        let error = |line: &str| Line::parse(line, 1).unwrap_err().to_string();
        assert_eq!(
            error("panic: no"),
            "the plugin's first line is no handshake: \"panic: no\""
        );
        assert_eq!(
            error("2|1|unix|/s|netrpc|"),
            "the plugin speaks version \"2\" of go-plugin's protocol, expected 1"
        );
        assert_eq!(
            error("1|4|unix|/s|netrpc|"),
            "the plugin speaks protocol version \"4\", expected 1"
        );
        assert_eq!(
            error("1|1|vsock|3|netrpc|"),
            "the plugin listens on a network of unknown type \"vsock\""
        );
        assert_eq!(
            error("1|1|unix|/s|grpc|"),
            "the plugin speaks \"grpc\", expected \"netrpc\""
        );
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in ".{0,200}") {
            let _ = Line::parse(&line, 1);
        }

        #[test]
        fn what_is_printed_is_read(version: u32, path in "/[a-z0-9/._ -]{0,90}[a-z]") {
            let line = Line { protocol_version: version, address: Address::Unix(path.into()) };
            prop_assert_eq!(Line::parse(&line.to_string(), version), Ok(line));
        }
    }
}
