//! What leaves through the gate, seen from the other side.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use hob_egress::{
    Address, Config, Egress, Error, Get, Ledger, LedgerError, Origin, Policy, Proxy, Secret, What,
};
use hob_testhub::{Fault, File, Hub, Place, Repo};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const SHA: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn origin(text: &str) -> Origin {
    Address::parse(text).unwrap().origin().clone()
}

/// A gate whose ledger vanishes with it.
struct Gate {
    egress: Egress,
    folder: tempfile::TempDir,
}

impl std::ops::Deref for Gate {
    type Target = Egress;

    fn deref(&self) -> &Egress {
        &self.egress
    }
}

fn gate(config: Config) -> Result<Gate, Error> {
    let folder = tempfile::tempdir().unwrap();
    Ok(Gate { egress: Egress::new(config, Ledger::at(folder.path(), || 0))?, folder })
}

fn config(hub: &Hub) -> Config {
    let mut policy = Policy::default();
    policy.allow_named(origin(&hub.endpoint())).unwrap();
    policy.allow_named(origin(&hub.storage())).unwrap();
    let credential = Some((origin(&hub.endpoint()), Secret::new("hf_planted").unwrap()));
    Config { policy, credential, read_timeout: Duration::from_millis(500), ..Config::default() }
}

fn hub() -> Hub {
    let hub = Hub::start();
    let file = |path: &str, sha: Option<&str>| File {
        path: path.into(),
        bytes: (0..100_000u32).map(|i| i as u8).collect(),
        sha256: sha.map(str::to_owned),
    };
    let files = vec![file("big.gguf", Some(SHA)), file("small.json", None)];
    let (token, commit) = (Some("hf_planted".into()), "c".repeat(40));
    hub.put(Repo { id: "o/r".into(), commit, token, files, ..Repo::default() });
    hub
}

fn big(hub: &Hub) -> Address {
    Address::parse(&format!("{}/o/r/resolve/main/big.gguf", hub.endpoint())).unwrap()
}

fn bytes(egress: &Egress, get: &Get<'_>) -> Result<Vec<u8>, Error> {
    let mut response = egress.get(get)?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match response.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

#[test]
fn a_token_goes_to_the_hub_and_not_to_its_storage() {
    let hub = hub();
    let egress = gate(config(&hub)).unwrap();
    let address = big(&hub);
    let mut response = egress.get(&Get::part(&address, 10..20, 10)).unwrap();
    assert_eq!(response.status(), 206);
    assert_eq!(response.header("content-range"), Some("bytes 10-19/100000"));
    assert_eq!(response.first_header("x-linked-etag"), Some(format!("\"{SHA}\"").as_str()));
    let mut buffer = [0; 64];
    assert_eq!(response.read(&mut buffer).unwrap(), 10);
    assert_eq!(buffer[..10], [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    let seen = hub.take_seen();
    let tokens: Vec<_> = seen.iter().map(|s| (s.place, s.header("authorization"))).collect();
    assert_eq!(tokens, [(Place::Hub, Some("Bearer hf_planted")), (Place::Storage, None)]);

    // A redirect within the hub keeps it.
    let small = big(&hub).redirected("small.json").unwrap();
    assert_eq!(bytes(&egress, &Get::whole(&small, 100_000)).unwrap().len(), 100_000);
    assert!(hub.take_seen().iter().all(|s| s.header("authorization").is_some()));
}

/// What the ledger says, a line for each entry.
fn told(gate: &Gate) -> Vec<String> {
    let mut lines = Vec::new();
    let line = |what: &What| match what {
        What::Send(s) => format!("{} {}{} {} {}", s.method, s.to, s.path, s.purpose.name(), s.policy),
        What::Outcome(o) => format!("{} {:?} {} {:?}", o.of, o.status, o.received, o.failed),
        What::Repaired(_) => "repaired".into(),
    };
    gate.ledger().read(&mut |entry, _| lines.push(line(&entry.what))).unwrap();
    lines
}

#[test]
fn every_hop_stands_in_the_ledger_without_signatures_or_tokens() {
    let hub = hub();
    let gate = gate(config(&hub)).unwrap();
    drop(gate.get(&Get::part(&big(&hub), 10..20, 10)).unwrap().text());
    let (there, stored) = (hub.endpoint(), hub.storage());
    assert_eq!(
        told(&gate),
        [
            format!("GET {there}/o/r/resolve/main/big.gguf download named"),
            "1 Some(302) 0 None".into(),
            format!("GET {stored}/{SHA} download named"),
            "3 Some(206) 10 None".into(),
        ]
    );
    let file = std::fs::read_to_string(gate.folder.path().join("ledger.jsonl")).unwrap();
    assert!(!file.contains("Signature") && !file.contains("planted"), "{file}");
    hub.script(|_| Some(Fault::Hangup));
    assert!(gate.get(&Get::whole(&big(&hub), 1)).is_err());
    assert_eq!(told(&gate)[5].split_once(' ').unwrap().0, "5");
}

#[test]
fn without_a_ledger_nothing_is_sent() {
    let hub = hub();
    let gate = gate(config(&hub)).unwrap();
    let nowhere = Egress::new(config(&hub), Ledger::nowhere("no folder is known")).unwrap();
    let refused = nowhere.get(&Get::whole(&big(&hub), 1)).err().unwrap();
    assert!(matches!(refused, Error::Ledger(LedgerError::Nowhere { .. })) && !refused.is_transient());
    gate.get(&Get::whole(&big(&hub), 100_000)).unwrap();
    hub.take_seen();
    // A changed ledger, and one that cannot be written.
    let file = gate.folder.path().join("ledger.jsonl");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[1..]).unwrap();
    assert!(matches!(gate.get(&Get::whole(&big(&hub), 1)), Err(Error::Ledger(_))));
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(matches!(gate.get(&Get::whole(&big(&hub), 1)), Err(Error::Ledger(_))));
    assert!(hub.take_seen().is_empty());
}

#[test]
fn offline_opens_no_socket() {
    let hub = hub();
    let egress = gate(Config { offline: true, ..config(&hub) }).unwrap();
    assert!(matches!(egress.get(&Get::whole(&big(&hub), 1)), Err(Error::Offline { .. })));
    assert!(hub.take_seen().is_empty());
}

#[test]
fn redirects_are_checked_like_first_addresses() {
    let hub = hub();
    let egress = gate(config(&hub)).unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    for to in [
        format!("http://127.0.0.1:{port}/steal"),
        format!("http://localhost:{port}/steal"),
        "http://169.254.169.254/latest/meta-data".into(),
        "https://example.invalid/".into(),
    ] {
        hub.script(move |_| Some(Fault::Redirect(to.clone())));
        assert!(matches!(egress.get(&Get::whole(&big(&hub), 1)), Err(Error::NotAllowed { .. })));
    }
    hub.script(|_| Some(Fault::Redirect("gopher://x".into())));
    assert!(matches!(egress.get(&Get::whole(&big(&hub), 1)), Err(Error::Address { .. })));
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "somebody connected to a place that is not on the list");

    let here = big(&hub).to_string();
    hub.script(move |_| Some(Fault::Redirect(here.clone())));
    assert!(matches!(egress.get(&Get::whole(&big(&hub), 1)), Err(Error::Redirects { hops: 10, .. })));
}

#[test]
fn answers_end_where_the_caller_said() {
    let hub = hub();
    let egress = gate(config(&hub)).unwrap();
    let address = big(&hub);
    let long = bytes(&egress, &Get::whole(&address, 99_999));
    assert!(matches!(long, Err(Error::TooLong { bytes_max: 99_999, .. })), "{long:?}");
    assert_eq!(bytes(&egress, &Get::whole(&address, 100_000)).unwrap().len(), 100_000);
}

#[test]
fn what_breaks_off_or_stalls_is_an_error_and_may_be_tried_again() {
    let hub = hub();
    let egress = gate(config(&hub)).unwrap();
    let address = big(&hub);
    for fault in [Fault::Hangup, Fault::Cut(5000), Fault::Stall(5000, Duration::from_secs(2))] {
        let (wanted, stalls) = (fault.clone(), matches!(fault, Fault::Stall(..)));
        hub.script(move |seen| (seen.place == Place::Storage).then(|| wanted.clone()));
        let error = bytes(&egress, &Get::whole(&address, 100_000)).unwrap_err();
        assert!(error.is_transient(), "{fault:?}: {error:?}");
        assert_eq!(matches!(error, Error::Stalled { .. }), stalls, "{fault:?}: {error:?}");
    }
    hub.heal();
    assert_eq!(bytes(&egress, &Get::whole(&address, 100_000)).unwrap().len(), 100_000);
}

#[test]
fn stopping_ends_a_read_that_waits() {
    let hub = hub();
    let egress = gate(Config { read_timeout: Duration::from_secs(60), ..config(&hub) }).unwrap();
    hub.script(|seen| (seen.place == Place::Storage).then(|| Fault::Stall(10, Duration::from_secs(60))));
    let stopper = egress.egress.clone();
    let start = Instant::now();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        stopper.stop();
    });
    assert!(matches!(bytes(&egress, &Get::whole(&big(&hub), 100_000)), Err(Error::Stopped)));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(matches!(egress.get(&Get::whole(&big(&hub), 1)), Err(Error::Stopped)));
}

/// A TLS server with a certificate for `localhost` that answers everything with `hello`.
fn tls_server() -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            let mut head = [0; 4096];
            if stream.read(&mut head).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
                let _ = stream.flush();
            }
        }
    });
    (port, made.cert.pem())
}

fn tls_config(port: u16) -> (Config, Address) {
    let address = Address::parse(&format!("https://localhost:{port}/x")).unwrap();
    let mut policy = Policy::default();
    policy.allow_named(address.origin().clone()).unwrap();
    (Config { policy, ..Config::default() }, address)
}

#[test]
fn certificates_are_checked() {
    let (port, pem) = tls_server();
    let (config, address) = tls_config(port);
    let strangers = gate(config.clone()).unwrap();
    let error = strangers.get(&Get::whole(&address, 5)).err().unwrap();
    assert!(matches!(error, Error::Tls { .. }) && !error.is_transient(), "{error:?}");
    let trusting = gate(Config { roots: Some(pem.into_bytes()), ..config.clone() }).unwrap();
    assert_eq!(trusting.get(&Get::whole(&address, 5)).unwrap().text().unwrap(), "hello");
    for roots in ["", "-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----"] {
        let config = Config { roots: Some(roots.into()), ..config.clone() };
        assert!(matches!(gate(config), Err(Error::Roots { .. })), "{roots:?}");
    }
}

/// A proxy that leads every `CONNECT` to `port`, and the lines it was asked with.
fn proxy(port: u16) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().port();
    let (told, asked) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap() > 2 {}
            told.send(head).unwrap();
            let (mut client, mut server) = (stream, TcpStream::connect(("127.0.0.1", port)).unwrap());
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut up, &mut server));
            thread::spawn(move || std::io::copy(&mut down, &mut client));
        }
    });
    (at, asked)
}

#[test]
fn a_proxy_carries_what_is_encrypted_end_to_end() {
    let (port, pem) = tls_server();
    let (proxy_port, asked) = proxy(port);
    // The name does not resolve here: only the proxy knows where it is.
    let address = Address::parse("https://hub.invalid/x").unwrap();
    let mut policy = Policy::default();
    policy.allow_public("hub.invalid").unwrap();
    let proxy = Some(Proxy::new(&format!("http://me:pw@127.0.0.1:{proxy_port}"), "").unwrap());
    let config = Config { policy, proxy, roots: Some(pem.into_bytes()), ..Config::default() };
    let error = gate(config).unwrap().get(&Get::whole(&address, 5)).err().unwrap();
    // It got through the proxy to a server whose certificate is for another name.
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    let head = asked.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(head.starts_with("CONNECT hub.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic bwu6chc="), "{head}");
}
