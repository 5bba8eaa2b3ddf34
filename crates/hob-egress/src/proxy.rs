//! Proxies as the usual variables describe them. Reading the variables is up to the program.

use crate::{Error, Origin};
use std::fmt;

/// A proxy that tunnels encrypted connections (`CONNECT`).
#[derive(Clone)]
pub struct Proxy {
    inner: ureq::Proxy,
    /// Hosts that are reached without it.
    exceptions: Vec<String>,
}

impl Proxy {
    /// Takes what `HTTPS_PROXY` and `NO_PROXY` hold.
    ///
    /// # Errors
    /// [`Error::Proxy`] when `address` is none, or of a kind that Hob does not speak (SOCKS).
    pub fn new(address: &str, exceptions: &str) -> Result<Self, Error> {
        let refuse = || {
            let shown = address.rsplit('@').next().unwrap_or_default();
            Error::Proxy { proxy: shown.chars().filter(|c| !c.is_control()).take(100).collect() }
        };
        let inner = ureq::Proxy::new(address.trim()).map_err(|_| refuse())?;
        if !matches!(inner.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https) {
            return Err(refuse());
        }
        let exceptions =
            exceptions.split(',').map(|e| e.trim().to_ascii_lowercase()).filter(|e| !e.is_empty());
        Ok(Self { inner, exceptions: exceptions.collect() })
    }

    /// Whether `origin` is reached through it.
    pub(crate) fn serves(&self, origin: &Origin) -> bool {
        let matches = |exception: &String| {
            let domain = exception.trim_start_matches('*').trim_start_matches('.');
            let host = origin.host();
            exception == "*" || host == domain || host.strip_suffix(domain).is_some_and(|h| h.ends_with('.'))
        };
        !origin.is_loopback() && !self.exceptions.iter().any(matches)
    }

    pub(crate) fn client(&self) -> ureq::Proxy {
        self.inner.clone()
    }

    pub(crate) fn host_and_port(&self) -> (String, u16) {
        (self.inner.host().trim_matches(['[', ']']).to_owned(), self.inner.port())
    }
}

impl fmt::Debug for Proxy {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.inner.host(), self.inner.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_name_hosts_and_domains() {
        let proxy =
            Proxy::new("http://user:planted@proxy.lan:3128", "a.example, .b.example,*.c.example").unwrap();
        let serves = |host: &str| proxy.serves(&Origin::https(host).unwrap());
        for host in ["d.example", "xa.example", "b.example.evil"] {
            assert!(serves(host), "{host}");
        }
        for host in
            ["a.example", "x.a.example", "b.example", "x.b.example", "x.c.example", "localhost", "127.0.0.1"]
        {
            assert!(!serves(host), "{host}");
        }
        assert!(
            !Proxy::new("http://proxy.lan:3128", "*").unwrap().serves(&Origin::https("d.example").unwrap())
        );
        assert!(!format!("{proxy:?}").contains("planted"));
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for address in ["socks5://user:planted@h:1", "http://user:planted@", "::"] {
            let error = Proxy::new(address, "").unwrap_err().to_string();
            assert!(!error.contains("planted"), "{error}");
        }
    }
}
