//! Why nothing was sent, or nothing came back.

use crate::LedgerError;
use std::io;
use std::net::IpAddr;

/// Everything that ends a request without an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Offline mode; nothing was sent.
    #[error("offline: {host} was not asked, nothing left this machine; go online and try again")]
    Offline {
        /// Who would have been asked.
        host: String,
    },
    /// The host is not on the list; nothing was sent to it.
    #[error("{origin}: not a place that may be reached{via}; if it should be, allow it by name")]
    NotAllowed {
        /// Scheme, host and port.
        origin: String,
        /// Who redirected there, if anyone.
        via: String,
    },
    /// Plain HTTP to another machine; nothing was sent.
    #[error("{origin}: expected https, found plain http, which others on the way can read and change")]
    Plain {
        /// Scheme, host and port.
        origin: String,
    },
    /// A public name that leads into a private network; nothing was sent.
    #[error(
        "{host}: expected an address on the public internet, found {ip}; a mirror has to be named as the endpoint"
    )]
    Private {
        /// The name.
        host: String,
        /// What it resolved to.
        ip: IpAddr,
    },
    /// No address.
    #[error("expected an address such as https://host/path, found {found} in {address:?}")]
    Address {
        /// The start of what was given.
        address: String,
        /// What is wrong.
        found: &'static str,
    },
    /// The proxy's address makes no sense.
    #[error("the proxy {proxy}: expected http://host:port, with user:password@ before the host if needed")]
    Proxy {
        /// The proxy, without credentials.
        proxy: String,
    },
    /// The certificates handed in cannot be used.
    #[error("the certificates to trust: {found}; expected PEM")]
    Roots {
        /// What is wrong.
        found: String,
    },
    /// One redirect after the other.
    #[error("{host}: more than {hops} redirects; is the address right?")]
    Redirects {
        /// Who was asked first.
        host: String,
        /// Redirects followed.
        hops: usize,
    },
    /// Nothing came for too long.
    #[error("{host}: no answer for too long")]
    Stalled {
        /// Who was asked.
        host: String,
    },
    /// The answer is longer than the caller wants.
    #[error("{host}: expected at most {bytes_max} bytes, found more")]
    TooLong {
        /// Who was asked.
        host: String,
        /// The caller's limit.
        bytes_max: u64,
    },
    /// The connection failed.
    #[error("{host}: {source}")]
    Io {
        /// Who was asked.
        host: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The other side's certificate or encryption is not to be trusted.
    #[error("{host}: no trusted connection: {found}")]
    Tls {
        /// Who was asked.
        host: String,
        /// What is wrong.
        found: String,
    },
    /// The answer is not HTTP as it should be.
    #[error("{host}: {found}")]
    Protocol {
        /// Who was asked.
        host: String,
        /// What is wrong.
        found: String,
    },
    /// What leaves could not be written down, or is more than the user's limits allow; nothing was sent.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A place that gets words of the user redirects elsewhere; the other place got nothing.
    #[error(
        "{host}: redirects elsewhere, which is not followed where words of yours are sent; correct its address"
    )]
    Redirected {
        /// Who was asked.
        host: String,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Stalled { .. } | Self::Io { .. } | Self::Protocol { .. })
    }

    /// One word for what went wrong, without anything that came from outside.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Offline { .. } => "offline",
            Self::NotAllowed { .. } => "not_allowed",
            Self::Plain { .. } => "plain_http",
            Self::Private { .. } => "private_address",
            Self::Address { .. } => "address",
            Self::Proxy { .. } => "proxy",
            Self::Roots { .. } => "certificates",
            Self::Redirects { .. } | Self::Redirected { .. } => "redirects",
            Self::Stalled { .. } => "stalled",
            Self::TooLong { .. } => "too_long",
            Self::Io { .. } => "connection",
            Self::Tls { .. } => "tls",
            Self::Protocol { .. } => "protocol",
            Self::Ledger(_) => "ledger",
            Self::Stopped => "stopped",
        }
    }

    /// Whether it is certain that nothing of the request left.
    pub fn never_left(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound};
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | NotFound)
            }
            Self::Offline { .. }
            | Self::NotAllowed { .. }
            | Self::Plain { .. }
            | Self::Private { .. }
            | Self::Ledger(_) => true,
            _ => false,
        }
    }

    /// What the client library reports, in our words. `is_stopped` explains errors that stopping causes.
    pub(crate) fn from_client(error: ureq::Error, host: &str, is_stopped: bool) -> Self {
        if is_stopped {
            return Self::Stopped;
        }
        let host = host.to_owned();
        match error {
            ureq::Error::Io(source) => Self::from_io(source, &host, false),
            ureq::Error::Timeout(_) => Self::Stalled { host },
            ureq::Error::Rustls(e) => Self::Tls { host, found: e.to_string() },
            ureq::Error::Tls(e) => Self::Tls { host, found: e.to_owned() },
            ureq::Error::Other(e) => match e.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(e) => Self::Protocol { host, found: e.to_string() },
            },
            ureq::Error::HostNotFound => Self::Io {
                host,
                source: io::Error::new(io::ErrorKind::NotFound, "there is no host of that name"),
            },
            other => Self::Protocol { host, found: other.to_string() },
        }
    }

    /// The same for errors while a body is read, which carry the library's error inside.
    pub(crate) fn from_io(source: io::Error, host: &str, is_stopped: bool) -> Self {
        if is_stopped {
            return Self::Stopped;
        }
        match source.downcast::<ureq::Error>() {
            Ok(ureq::Error::Io(source)) => Self::plain_io(source, host),
            Ok(inner) => Self::from_client(inner, host, false),
            Err(source) => Self::plain_io(source, host),
        }
    }

    fn plain_io(source: io::Error, host: &str) -> Self {
        let host = host.to_owned();
        match source.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Stalled { host },
            // rustls hands its verdict on certificates through io.
            io::ErrorKind::InvalidData => Self::Tls { host, found: source.to_string() },
            _ => Self::Io { host, source },
        }
    }
}
