//! How others come in: certificates, keys, and a picture for a phone's camera.

use super::ServeArgs;
use crate::{fail, key, out, platform};
use anyhow::{anyhow, bail};
use hob_server::{KeyError, KeyWish, Keys, Pairing, Scope, Tls};
use std::net::IpAddr;

/// What a phone needs for the page to work there as it does here.
const PAIRED: [Scope; 4] = [Scope::Chat, Scope::Embeddings, Scope::Models, Scope::History];

/// The certificate, where one is wanted.
pub fn tls(args: &ServeArgs) -> anyhow::Result<Option<Tls>> {
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        return Ok(Some(Tls::given(certificate, key)?));
    }
    if !args.tls {
        return Ok(None);
    }
    let data = platform::data_dir()
        .ok_or_else(|| anyhow!("there is no place to keep a certificate: set HOB_HOME to a folder for it"))?;
    let addresses: Vec<IpAddr> =
        if args.host.is_unspecified() { platform::addresses() } else { vec![args.host] };
    Ok(Some(Tls::own(&data.path, &args.allow_host, &addresses)?))
}

/// The keys that open the server.
pub fn keys(args: &ServeArgs) -> Keys {
    let from_environment = std::env::var("HOB_API_KEY").ok().filter(|_| args.api_key.is_empty());
    let mut keys = Keys::new(args.api_key.iter().chain(&from_environment));
    if let Ok(book) = key::book() {
        keys = keys.with_book(book, fail::note);
    }
    if args.require_key { keys.required() } else { keys }
}

/// The key of a phone that is to be paired; nothing if it has one already.
pub fn pair(args: &ServeArgs) -> anyhow::Result<Option<String>> {
    let Some(name) = &args.pair else { return Ok(None) };
    if args.host.is_loopback() {
        return Err(fail::usage(
            "nobody else reaches 127.0.0.1: --pair goes with --host 0.0.0.0, and best with --tls",
        ));
    }
    let wish = KeyWish {
        name: name.clone(),
        expires_at: None,
        models: Vec::new(),
        scopes: PAIRED.to_vec(),
        cloud: false,
        private: false,
        tokens_per_day: None,
    };
    match key::book()?.add(wish, platform::unix_ms() / 1000) {
        Ok((_, text)) => Ok(Some(text)),
        Err(KeyError::Taken { name }) => {
            fail::note(&format!("{name} is paired already; `hob key rm {name}` lets it be paired anew"));
            Ok(None)
        }
        Err(error) => bail!(error),
    }
}

/// Shows a phone's camera where to go.
pub fn show(pairings: &[Pairing]) -> anyhow::Result<()> {
    if pairings.is_empty() {
        fail::note(
            "this system does not tell its addresses; --host ADDRESS says under which one the phone comes",
        );
    }
    for pairing in pairings {
        out::text(&format!("{}\n{}\n", picture(&pairing.rows), pairing.url))?;
    }
    Ok(())
}

/// A QR code in letters: two rows in one, light on dark so that it can be read on a dark terminal as on a light one, with
/// the light edge that cameras need.
fn picture(rows: &[String]) -> String {
    const EDGE: usize = 2;
    let size = rows.len();
    let is_dark = |y: usize, x: usize| {
        let row = y.checked_sub(EDGE).and_then(|y| rows.get(y));
        row.and_then(|row| row.as_bytes().get(x.checked_sub(EDGE)?)).is_some_and(|module| *module == b'1')
    };
    let mut text = String::new();
    for y in (0..size + 2 * EDGE).step_by(2) {
        text.extend((0..size + 2 * EDGE).map(|x| match (is_dark(y, x), is_dark(y + 1, x)) {
            (false, false) => '█',
            (false, true) => '▀',
            (true, false) => '▄',
            (true, true) => ' ',
        }));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::picture;

    #[test]
    fn a_code_becomes_half_as_many_lines() {
        let rows = ["11".to_owned(), "01".to_owned()];
        assert_eq!(picture(&rows), "██████\n██▄ ██\n██████\n");
    }
}
