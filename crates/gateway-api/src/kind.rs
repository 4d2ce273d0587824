//! The kinds of routes and the name of one.

use std::fmt;

/// A kind of route of the Gateway API; complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteKind {
    /// `HTTPRoute`.
    Http,
    /// `GRPCRoute`.
    Grpc,
    /// `TCPRoute`.
    Tcp,
    /// `TLSRoute`.
    Tls,
    /// `UDPRoute`.
    Udp,
}

/// API group of all kinds.
pub const GROUP: &str = "gateway.networking.k8s.io";

impl RouteKind {
    /// All kinds, in the order in which they are worked on.
    pub const ALL: [Self; 5] = [Self::Http, Self::Grpc, Self::Tcp, Self::Tls, Self::Udp];

    /// `kind` of the object, for example `HTTPRoute`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
            Self::Tcp => "TCPRoute",
            Self::Tls => "TLSRoute",
            Self::Udp => "UDPRoute",
        }
    }

    /// Resource name in a URL, for example `httproutes`.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Http => "httproutes",
            Self::Grpc => "grpcroutes",
            Self::Tcp => "tcproutes",
            Self::Tls => "tlsroutes",
            Self::Udp => "udproutes",
        }
    }

    /// Versions that clusters serve, the one to try first at the front (Gateway API `config/crd` of releases 1.1 to
    /// 1.6). Which one a cluster serves is found at run time.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Http => &["v1", "v1beta1"],
            Self::Grpc => &["v1", "v1alpha2"],
            Self::Tls => &["v1", "v1alpha3", "v1alpha2"],
            Self::Tcp | Self::Udp => &["v1", "v1alpha2"],
        }
    }

    /// Whether rules of this kind match on headers, and so can carry header routes and mirrors.
    pub fn has_headers(self) -> bool {
        matches!(self, Self::Http | Self::Grpc)
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One route of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey {
    /// Its kind.
    pub kind: RouteKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
