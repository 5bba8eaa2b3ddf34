//! The server behind TLS, spoken to by a client that trusts its certificate and nothing else.

use crate::client::{config, start_with};
use hob_server::{Folder, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// The answer to a request for `/health`, as whoever trusts the certificate in `trusted` gets it.
fn ask(address: SocketAddr, trusted: &Path, name: &'static str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn who_knows_the_certificate_is_answered_and_who_does_not_is_not() {
    let data = tempfile::tempdir().unwrap();
    let (own, other) = (data.path().join("own"), data.path().join("other"));
    let tls = Tls::own(&own, &["box.lan".into()], &["192.168.0.7".parse().unwrap()]).unwrap();
    Tls::own(&other, &[], &[]).unwrap();
    let mut config = config();
    config.tls = Some(tls.clone());
    let mut server = start_with(config, Folder::new(&[], None));
    for name in ["localhost", "127.0.0.1", "box.lan", "192.168.0.7"] {
        let answer = ask(server.address, &own.join("tls.pem"), name).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
    }
    assert!(ask(server.address, &own.join("tls.pem"), "evil.example").is_err());
    assert!(ask(server.address, &other.join("tls.pem"), "localhost").is_err());
    // Who speaks plainly gets no answer, and does not hold the server up.
    let mut plain = TcpStream::connect(server.address).unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP"));
    assert!(server.end());
}
