//! Who may be reached. The allow-list decides before anything is resolved or connected.

use crate::{Address, Error, Origin, Proxy, Scheme, Secret};
use std::time::Duration;

/// How an [`Egress`](crate::Egress) is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Nothing may leave this machine: every request is refused before a socket is opened.
    pub offline: bool,
    /// Who may be reached.
    pub policy: Policy,
    /// A token and the one place that gets it.
    pub credential: Option<(Origin, Secret)>,
    /// The proxy for everything but loopback and its exceptions.
    pub proxy: Option<Proxy>,
    /// Certificates (PEM) to trust instead of the web's usual ones, as behind a proxy that opens connections.
    pub roots: Option<Vec<u8>>,
    /// Longest wait for a connection, name and encryption included.
    pub connect_timeout: Duration,
    /// Longest wait for the next bytes.
    pub read_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            offline: false,
            policy: Policy::default(),
            credential: None,
            proxy: None,
            roots: None,
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(30),
        }
    }
}

/// The places that may be reached; nothing else is.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Exactly these, whatever network they are in: the user named them.
    named: Vec<Origin>,
    /// Encrypted, at the usual port, at public addresses only.
    public: Vec<Origin>,
    /// Every host below these domains, under the terms of `public`.
    domains: Vec<String>,
}

/// How a place came to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// The user named it: any network, but plain HTTP only within this machine.
    Named,
    /// On the built-in list: public addresses only.
    Public,
}

impl Terms {
    /// As the ledger has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Public => "public",
        }
    }
}

impl Policy {
    /// Allows a place that the user named.
    ///
    /// # Errors
    /// [`Error::Plain`] for plain HTTP to another machine.
    pub fn allow_named(&mut self, origin: Origin) -> Result<(), Error> {
        if origin.scheme() == Scheme::Http && !origin.is_loopback() {
            return Err(Error::Plain { origin: origin.to_string() });
        }
        self.named.push(origin);
        Ok(())
    }

    /// Allows a public host, encrypted.
    ///
    /// # Errors
    /// [`Error::Address`] when it is no host name.
    pub fn allow_public(&mut self, host: &str) -> Result<(), Error> {
        self.public.push(Origin::https(host)?);
        Ok(())
    }

    /// Allows every public host whose name ends in `.domain`, encrypted.
    pub fn allow_domain(&mut self, domain: &str) {
        self.domains.push(format!(".{}", domain.to_ascii_lowercase()));
    }

    /// The places, for people: addresses that were named, and public hosts, `*.` before a domain for every host below it.
    pub fn places(&self) -> Vec<String> {
        let named = self.named.iter().map(ToString::to_string);
        let public = self.public.iter().map(|origin| origin.host().to_owned());
        let mut places: Vec<String> = Vec::new();
        for place in named.chain(public).chain(self.domains.iter().map(|domain| format!("*{domain}"))) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// Whether `address` may be reached, and how. `from` redirected there.
    pub(crate) fn check(&self, address: &Address, from: Option<&Origin>) -> Result<Terms, Error> {
        let origin = address.origin();
        if from.is_some_and(|from| from.scheme() == Scheme::Https) && origin.scheme() == Scheme::Http {
            return Err(Error::Plain { origin: origin.to_string() });
        }
        self.terms(origin).ok_or_else(|| Error::NotAllowed {
            origin: origin.to_string(),
            via: from.map(|from| format!(", though {from} redirects there")).unwrap_or_default(),
        })
    }

    /// How `origin` is allowed, if it is.
    pub(crate) fn terms(&self, origin: &Origin) -> Option<Terms> {
        if self.named.contains(origin) {
            return Some(Terms::Named);
        }
        let is_below = |domain: &String| {
            origin.scheme() == Scheme::Https
                && origin.port() == 443
                && origin.ip().is_none()
                && origin.host().ends_with(domain.as_str())
        };
        (self.public.contains(origin) || self.domains.iter().any(is_below)).then_some(Terms::Public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let mut policy = Policy::default();
        policy.allow_public("hub.example").unwrap();
        policy.allow_domain("cdn.example");
        policy.allow_named(Address::parse("http://127.0.0.1:8080").unwrap().origin().clone()).unwrap();
        policy
    }

    fn terms(text: &str) -> Option<Terms> {
        policy().terms(Address::parse(text).unwrap().origin())
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        assert_eq!(terms("https://hub.example/a"), Some(Terms::Public));
        assert_eq!(terms("https://eu.cdn.example/a"), Some(Terms::Public));
        assert_eq!(terms("http://127.0.0.1:8080/a"), Some(Terms::Named));
        for text in [
            "http://hub.example/",
            "https://hub.example:444/",
            "https://a.hub.example/",
            "https://cdn.example/",
            "https://evilcdn.example/",
            "https://eu.cdn.example.evil/",
            "https://eu.cdn.example:8443/",
            "http://eu.cdn.example/",
            "https://127.0.0.1:8080/",
            "http://127.0.0.1:8081/",
            "http://localhost:8080/",
        ] {
            assert_eq!(terms(text), None, "{text}");
        }
    }

    #[test]
    fn places_are_told() {
        assert_eq!(policy().places(), ["http://127.0.0.1:8080", "hub.example", "*.cdn.example"]);
    }

    #[test]
    fn plain_http_stays_inside_this_machine() {
        let mut policy = Policy::default();
        for (text, is_fine) in [
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://127.9.9.9:1", true),
            ("http://mirror.lan:1", false),
            ("http://10.0.0.1:1", false),
            ("https://10.0.0.1:1", true),
        ] {
            let origin = Address::parse(text).unwrap().origin().clone();
            assert_eq!(policy.allow_named(origin).is_ok(), is_fine, "{text}");
        }
        let from = Origin::https("hub.example").unwrap();
        let down = super::Policy::check(
            &self::policy(),
            &Address::parse("http://127.0.0.1:8080/").unwrap(),
            Some(&from),
        );
        assert!(matches!(down, Err(Error::Plain { .. })), "{down:?}");
    }
}
