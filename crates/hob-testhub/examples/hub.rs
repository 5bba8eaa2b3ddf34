//! The stand-in hub as a program, for tests that are not written in Rust: `hub OWNER/REPO FILE` offers the file as the only
//! one of a repository, and as `library/NAME:latest` of a registry. The first line of output is the hub's address and its
//! storage's. Lines of input say what goes wrong from then on: `slow BYTES` a second, `status CODE`, `stall`, `flip`, `heal`.
//! The end of input is its end.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test's server may stop the test"
)]

use hob_testhub::{Fault, File, Hub, Layer, Place, Repo};
use sha2::{Digest, Sha256};
use std::io::BufRead;
use std::time::Duration;

fn main() {
    let mut args = std::env::args().skip(1);
    let (id, path) = (args.next().unwrap(), args.next().unwrap());
    let bytes = std::fs::read(&path).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let hub = Hub::start();
    let name = id.rsplit('/').next().unwrap();
    let file = File { path: format!("{name}-Q8_0.gguf"), bytes: bytes.clone(), sha256: Some(sha256.clone()) };
    let layers = vec![
        Layer { kind: "model", sha256, bytes },
        text_layer("system", "You are a pirate."),
        text_layer("params", r#"{"temperature": 0.1, "stop": ["<end>"]}"#),
    ];
    hub.put_model(&format!("library/{name}:latest"), layers);
    let license = Some("apache-2.0".into());
    hub.put(Repo { id, commit: "a".repeat(40), license, files: vec![file], ..Repo::default() });
    println!("{} {}", hub.endpoint(), hub.storage());
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (word, value) = line.split_once(' ').unwrap_or((&line, ""));
        let fault = match word {
            "slow" => Fault::Slow(value.parse().unwrap()),
            "status" => Fault::Status(value.parse().unwrap(), None),
            "stall" => Fault::Stall(1000, Duration::from_secs(60)),
            "flip" => Fault::Flip(5000),
            _ => {
                hub.heal();
                continue;
            }
        };
        hub.script(move |seen| (seen.place == Place::Storage).then(|| fault.clone()));
    }
}

fn text_layer(kind: &'static str, text: &str) -> Layer {
    let sha256 = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    Layer { kind, sha256, bytes: text.into() }
}
