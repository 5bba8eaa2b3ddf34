//! Addresses, parsed once and strictly: what is checked is what is connected to.

use crate::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ureq::http::Uri;

/// Longest address taken. Signed addresses of content networks have about a thousand characters.
const CHARS_MAX: usize = 8192;
/// Longest name that DNS knows.
const HOST_CHARS_MAX: usize = 253;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Encrypted.
    Https,
    /// Plain; only to loopback addresses that were named.
    Http,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// Where an address leads: scheme, host and port together, as a browser's origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    /// Lower case; IPv6 without brackets.
    host: String,
    port: u16,
}

impl Origin {
    /// Encrypted, at the usual port of `host`.
    ///
    /// # Errors
    /// [`Error::Address`] when `host` is no host name.
    pub fn https(host: &str) -> Result<Self, Error> {
        Ok(Address::parse(&format!("https://{host}/"))?.origin)
    }

    /// How bytes travel.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, lower case; IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address written as a number, if it is.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the host can only be this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.scheme.name();
        match self.host.contains(':') {
            true => write!(f, "{name}://[{}]", self.host)?,
            false => write!(f, "{name}://{}", self.host)?,
        }
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A checked `http` or `https` address without user information and without a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    origin: Origin,
    /// Begins with `/`; with the query.
    path: String,
    uri: Uri,
}

impl Address {
    /// Parses an absolute address.
    ///
    /// # Errors
    /// [`Error::Address`] for everything that two parsers could read differently: white space, controls, letters beyond
    /// ASCII, backslashes, user information, numbers that are nearly an IP address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |found: &'static str| Error::Address { address: shown(text), found };
        if text.len() > CHARS_MAX {
            return Err(refuse("too many characters"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b)) {
            return Err(refuse("characters that have to be percent-encoded"));
        }
        let text = text.split('#').next().unwrap_or_default();
        let (scheme, rest) = match text.split_once("://") {
            Some((s, rest)) if s.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((s, rest)) if s.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            _ => return Err(refuse("neither https:// nor http://")),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = parse_authority(authority).map_err(refuse)?;
        let origin = Origin { scheme, host, port: port.unwrap_or(scheme.port()) };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let uri = format!("{origin}{path}").parse().map_err(|_| refuse("no address"))?;
        Ok(Self { origin, path, uri })
    }

    /// The address of `path`, which begins with `/`, at the same place.
    ///
    /// # Errors
    /// [`Error::Address`] when `path` cannot stand in an address.
    pub fn at(&self, path: &str) -> Result<Self, Error> {
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(Error::Address { address: shown(path), found: "no path from the root" });
        }
        Self::parse(&format!("{}{path}", self.origin))
    }

    /// What a `Location` header means when this address answered with it.
    ///
    /// # Errors
    /// [`Error::Address`] when it is no address.
    pub fn redirected(&self, location: &str) -> Result<Self, Error> {
        let location = location.trim();
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.origin.scheme.name()));
        }
        if location.starts_with('/') {
            return self.at(location);
        }
        let scheme = location.split(['/', '?', '#']).next().unwrap_or_default();
        if scheme.contains(':') {
            return Self::parse(location);
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
        self.at(&format!("{folder}{location}"))
    }

    /// Where it leads.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path, without the query, which may hold a signature.
    pub fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for Address {
    /// Without the query, which may hold a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path())
    }
}

/// The start of a text that is no address, harmless to print. What follows `?` may be a signature.
fn shown(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    text.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn parse_authority(text: &str) -> Result<(String, Option<u16>), &'static str> {
    if text.contains('@') {
        return Err("a user name in the address");
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, rest) = rest.split_once(']').ok_or("a bracket that is not closed")?;
            let ip: Ipv6Addr = ip.parse().map_err(|_| "no IPv6 address between brackets")?;
            (ip.to_string(), rest.strip_prefix(':').or(rest.is_empty().then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (parse_host(host)?, Some(port)),
            None => (parse_host(text)?, Some("")),
        },
    };
    match port.ok_or("something after the bracket")? {
        "" if text.ends_with(':') => Err("no port after the colon"),
        "" => Ok((host, None)),
        port if port.bytes().all(|b| b.is_ascii_digit()) => match port.parse() {
            Ok(0) | Err(_) => Err("no port number after the colon"),
            Ok(port) => Ok((host, Some(port))),
        },
        _ => Err("no port number after the colon"),
    }
}

fn parse_host(text: &str) -> Result<String, &'static str> {
    let host = text.to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > HOST_CHARS_MAX || !host.split('.').all(is_label) {
        return Err("no host name");
    }
    // Systems read `127.1`, `0x7f000001` and `017700000001` as addresses; a name never ends in a number.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("a number that is no IP address");
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, Error> {
        Address::parse(text)
    }

    #[test]
    fn addresses_have_one_reading() {
        for (text, shown, host, port) in [
            ("https://Hub.Example/a/b?c=d#e", "https://hub.example/a/b", "hub.example", 443),
            ("HTTPS://hub.example:8443", "https://hub.example:8443/", "hub.example", 8443),
            ("http://127.0.0.1:80/x", "http://127.0.0.1/x", "127.0.0.1", 80),
            ("https://[::1]:9/x", "https://[::1]:9/x", "::1", 9),
            ("https://a.b?q=1", "https://a.b/", "a.b", 443),
        ] {
            let address = parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!((address.origin().host(), address.origin().port()), (host, port));
            assert_eq!(address.uri().host().unwrap().trim_matches(['[', ']']), host);
        }
    }

    #[test]
    fn what_could_be_read_twice_is_refused() {
        for text in [
            "",
            "hub.example",
            "ftp://a/",
            "file:///etc",
            "https://",
            "https:///a",
            "https://a b/",
            "https://a\\@b/",
            "https://user@a/",
            "https://a:b@c/",
            "https://a:/",
            "https://a:0/",
            "https://a:65536/",
            "https://a:+80/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://1.2.3.4.5/",
            "https://a..b/",
            "https://.a/",
            "https://a./",
            "https://-a/",
            "https://é/",
            "https://a/é",
            "https://a/\n",
            "https://[::1/",
            "https://[::1]x/",
            "https://[::1%25eth0]/",
            "https://a_b/",
            "https://a/\"",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&format!("https://a/{}", "x".repeat(9000))).is_err());
    }

    #[test]
    fn redirects_lead_where_a_browser_would_go() {
        let from = parse("https://hub.example/a/resolve/main/f.gguf?x=/y/").unwrap();
        for (location, to) in [
            ("https://cdn.example/z?sig=1", "https://cdn.example/z"),
            ("//cdn.example:444/z", "https://cdn.example:444/z"),
            ("/api/f", "https://hub.example/api/f"),
            ("g.gguf", "https://hub.example/a/resolve/main/g.gguf"),
            ("http://127.0.0.1/z", "http://127.0.0.1/z"),
        ] {
            assert_eq!(from.redirected(location).unwrap().to_string(), to);
        }
        for location in ["javascript:x", "data:,x", "https:/a", "\\\\a\\b", "///a", "file:///x"] {
            assert!(from.redirected(location).is_err(), "{location}");
        }
    }

    #[test]
    fn errors_do_not_show_signatures() {
        let error = parse("https://a b/x?X-Signature=planted").unwrap_err().to_string();
        assert!(!error.contains("planted"), "{error}");
        assert!(!parse("https://a.b/x?X-Signature=planted").unwrap().to_string().contains("planted"));
    }
}
