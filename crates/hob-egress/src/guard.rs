//! Names become addresses here, and are connected to as they were checked: a name on the public list that leads into a
//! private network is refused, however often it changes its mind.

use crate::policy::{Policy, Terms};
use crate::{Address, Error, Scheme};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The system's resolver, with a check of what it says.
#[derive(Debug)]
pub(crate) struct Guard {
    pub policy: Policy,
    /// `host:port` of the proxy, which the user named.
    pub proxy: Option<(String, u16)>,
    pub inner: DefaultResolver,
}

impl Guard {
    fn check(&self, uri: &Uri, found: &[SocketAddr]) -> Result<(), Error> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if let Some((name, port)) = &self.proxy
            && host.eq_ignore_ascii_case(name)
            && uri.port_u16().unwrap_or(80) == *port
        {
            return Ok(());
        }
        let address = Address::parse(&uri.to_string())?;
        let terms = self.policy.check(&address, None)?;
        for ip in found.iter().map(SocketAddr::ip) {
            if terms == Terms::Public && !is_public(ip) {
                return Err(Error::Private { host: host.to_owned(), ip });
            }
            if address.origin().scheme() == Scheme::Http && !ip.is_loopback() {
                return Err(Error::Plain { origin: address.origin().to_string() });
            }
        }
        Ok(())
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        match self.check(uri, &found) {
            Ok(()) => Ok(found),
            Err(error) => Err(ureq::Error::Other(Box::new(error))),
        }
    }
}

/// Whether an address belongs to the public internet (IANA's special-purpose registries say which do not).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let inner = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        // NAT64 carries an IPv4 address in the last half, 6to4 behind its prefix.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(inner(high, low)),
        [0x2002, high, low, ..] => is_public_v4(inner(high, low)),
        // Teredo, benchmarks, ORCHID and documentation.
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        // Only 2000::/3 is given out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_pass() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_public_name_that_leads_home_is_refused() {
        let mut policy = Policy::default();
        policy.allow_public("hub.example").unwrap();
        policy.allow_named(Address::parse("http://localhost:9").unwrap().origin().clone()).unwrap();
        let guard =
            Guard { policy, proxy: Some(("proxy.lan".into(), 3128)), inner: DefaultResolver::default() };
        let check = |uri: &str, ip: &str| {
            guard.check(&uri.parse().unwrap(), &[SocketAddr::new(ip.parse().unwrap(), 1)])
        };
        assert!(check("https://hub.example/", "8.8.8.8").is_ok());
        assert!(matches!(check("https://hub.example/", "127.0.0.1"), Err(Error::Private { .. })));
        assert!(matches!(check("https://other.example/", "8.8.8.8"), Err(Error::NotAllowed { .. })));
        assert!(check("http://localhost:9/", "127.0.0.1").is_ok());
        assert!(matches!(check("http://localhost:9/", "8.8.8.8"), Err(Error::Plain { .. })));
        assert!(check("http://proxy.lan:3128", "10.0.0.1").is_ok());
    }
}
