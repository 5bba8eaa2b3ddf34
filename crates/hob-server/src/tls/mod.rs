//! TLS: a certificate made once and kept, or one that is given. Whoever connects compares its fingerprint.
#![allow(clippy::disallowed_methods, reason = "certificates are the server's own configuration")]

mod der;
mod own;

use crate::keys::write_private;
use crate::{clock, ids};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The system says no.
    #[error("{}: cannot {what} the certificate: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// What is in the file is none.
    #[error("{}: expected {expected} in PEM, found none that can be read", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// The key is another certificate's, or of a kind that is not known.
    #[error("{}: the key does not belong to the certificate, or its kind is not known: {reason}", path.display())]
    Key {
        /// The file of the key.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers, so no certificate can be made")]
    Random,
}

/// What a server needs to speak TLS.
#[derive(Clone)]
pub struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    fingerprint: String,
}

impl Tls {
    /// The certificate of a data directory, made now if there is none: for this machine, for these names and addresses.
    ///
    /// # Errors
    /// It cannot be made, kept or read.
    pub fn own(data: &Path, names: &[String], addresses: &[IpAddr]) -> Result<Self, TlsError> {
        let path = data.join("tls.pem");
        if !path.exists() {
            let names: Vec<String> =
                ["localhost".to_owned()].into_iter().chain(names.iter().cloned()).collect();
            let here =
                ["127.0.0.1", "::1"].map(|address| address.parse::<IpAddr>().expect("they are addresses"));
            let addresses: Vec<IpAddr> = here.into_iter().chain(addresses.iter().copied()).collect();
            let own = own::make(&names, &addresses, clock::unix())?;
            let text = pem("CERTIFICATE", &own.certificate) + &pem("PRIVATE KEY", &own.key);
            let write = || std::fs::create_dir_all(data).and_then(|()| write_private(&path, &text));
            write().map_err(|source| TlsError::Io { path: path.clone(), what: "keep", source })?;
        }
        Self::given(&path, &path)
    }

    /// A certificate, with those that vouch for it behind it, and its key, both in PEM.
    ///
    /// # Errors
    /// They cannot be read, or do not belong together.
    pub fn given(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            let io = |source| TlsError::Io { path: path.to_owned(), what: "read", source };
            std::fs::read(path).map_err(io)
        };
        let none = |path: &Path, expected| TlsError::Damaged { path: path.to_owned(), expected };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(certificate)?).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| none(certificate, "a certificate"))?;
        let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| none(key, "a private key"))?;
        let fingerprint = fingerprint(&chain[0]);
        let wrong = |error: rustls::Error| TlsError::Key { path: key.to_owned(), reason: error.to_string() };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(wrong)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), fingerprint })
    }

    /// SHA-256 of the certificate, as browsers show it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

fn fingerprint(certificate: &[u8]) -> String {
    let hex = ids::hex(&Sha256::digest(certificate)).to_ascii_uppercase();
    let pairs: Vec<&str> = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]).collect();
    pairs.join(":")
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = ids::base64(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        writeln!(pem, "{}", String::from_utf8_lossy(line)).expect("strings take everything");
    }
    pem + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_kept_for_its_owner() {
        let data = tempfile::tempdir().unwrap();
        let home = data.path().join("new");
        let first = Tls::own(&home, &["box.lan".into()], &[]).unwrap();
        let again = Tls::own(&home, &[], &[]).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint().len(), 95);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(home.join("tls.pem")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let other = Tls::own(&data.path().join("other"), &[], &[]).unwrap();
        assert_ne!(first.fingerprint(), other.fingerprint());
    }

    #[test]
    fn what_is_no_certificate_or_another_ones_key_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let path = |name: &str| data.path().join(name).join("tls.pem");
        for name in ["one", "two"] {
            Tls::own(&data.path().join(name), &[], &[]).unwrap();
        }
        assert!(matches!(Tls::given(&path("one"), &path("two")), Err(TlsError::Key { .. })));
        assert!(matches!(Tls::given(&path("gone"), &path("one")), Err(TlsError::Io { .. })));
        let bad = data.path().join("bad.pem");
        for text in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&bad, text).unwrap();
            assert!(Tls::given(&bad, &bad).is_err(), "{text}");
        }
    }
}
