//! Pairing a phone: an address with a key behind `#`, which browsers keep to themselves, as a picture for its camera.

use crate::described::described;
use qrcodegen::{QrCode, QrCodeEcc};
use std::net::{IpAddr, SocketAddr};

described! {
    /// A way for another machine to come in with a key.
    pub struct Pairing {
        /// The address with the key behind `#`, which is sent to nobody.
        url: String,
        /// The same as a QR code: a text of `1` (dark) and `0` for each row.
        rows: Vec<String>,
    }
}

/// Where the server is reached.
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate's fingerprint, where it speaks TLS.
    pub fingerprint: Option<String>,
    /// Addresses of this machine, for a server that listens on all of them.
    pub reach: fn() -> Vec<IpAddr>,
}

impl Door {
    /// Addresses for browsers of other machines; none where others do not come in.
    pub fn urls(&self) -> Vec<String> {
        let ip = self.address.ip();
        let found = if ip.is_unspecified() { (self.reach)() } else { vec![ip] };
        let found = found.into_iter().filter(|ip| !ip.is_loopback());
        found.map(|ip| format!("{}://{}/", self.scheme(), SocketAddr::new(ip, self.address.port()))).collect()
    }

    fn scheme(&self) -> &'static str {
        if self.fingerprint.is_some() { "https" } else { "http" }
    }

    /// Ways to come in with the key `text`.
    pub fn pairings(&self, text: &str) -> Vec<Pairing> {
        let one = |url: String| {
            let url = format!("{url}#key={text}");
            qr(&url).map(|rows| Pairing { url, rows })
        };
        self.urls().into_iter().filter_map(one).collect()
    }
}

/// A text as a QR code: `1` for dark, `0` for light, a text for each row. Nothing for one that is too long.
pub fn qr(text: &str) -> Option<Vec<String>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let size = code.size();
    let row = |y| (0..size).map(|x| if code.get_module(x, y) { '1' } else { '0' }).collect();
    Some((0..size).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stands_behind_the_hash() {
        let reach = || vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([192, 168, 0, 7])];
        let address = "0.0.0.0:4242".parse().unwrap();
        let door = Door { address, fingerprint: Some("AB".into()), reach };
        let pairings = door.pairings("hob-x");
        assert_eq!(pairings.len(), 1);
        assert_eq!(pairings[0].url, "https://192.168.0.7:4242/#key=hob-x");
        let local = Door { address: "127.0.0.1:1".parse().unwrap(), ..door };
        assert!(local.urls().is_empty());
    }

    #[test]
    fn codes_are_square_with_their_marks() {
        let rows = qr("https://192.168.0.7:4242/#key=hob-x").unwrap();
        assert!(rows.iter().all(|row| row.len() == rows.len()));
        // Three corners have a mark, seven wide.
        let last = rows.len() - 7;
        for (y, x) in [(0, 0), (0, last), (last, 0)] {
            assert_eq!(&rows[y][x..x + 7], "1111111");
            assert_eq!(&rows[y + 1][x..x + 7], "1000001");
        }
        assert_eq!(qr(&"x".repeat(5000)), None);
    }
}
