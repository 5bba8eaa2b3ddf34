//! A real server on a free port, and a client that speaks plain HTTP to it.

use hob_cloud::{Cloud, Setup};
use hob_egress::{Egress, Ledger};
use hob_server::{
    Catalogue, ChatsAt, Config, Folder, Hosts, KeepAlive, Keys, Listed, Log, Machine, ManagerConfig, Server,
    ShelfConfig, Source,
};
use hob_store::{Model, Store};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// A server that ends when this goes.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<bool>>,
}

/// How tests set servers up: the built-in model, small contexts, one thread.
pub fn config() -> Config {
    let options = hob::Options { threads: 1, prefix_bytes_max: 16 << 20, ..hob::Options::default() };
    Config {
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        keys: Keys::default(),
        tls: None,
        reach: Vec::new,
        log: Log::default(),
        hosts: Hosts::default(),
        machine: Machine::unknown(),
        models: ManagerConfig {
            options,
            context: Some(512),
            parallel: 4,
            keep_alive: KeepAlive::For(Duration::from_secs(300)),
            memory_max: 1 << 30,
            notice: |_| {},
        },
        shelf: None,
        chats: ChatsAt::Nowhere("a test wants none".into()),
        cloud: None,
        listener: None,
        drain: Duration::from_secs(20),
    }
}

/// A way to models elsewhere whose files are in `folder`. Its ledger stands in 1970.
pub fn cloud_at(folder: &Path) -> Cloud {
    cloud_with(folder, || 1_000)
}

/// The same with a ledger that has this time.
pub fn cloud_with(folder: &Path, now_ms: fn() -> i64) -> Cloud {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let ledger = folder.join("ledger");
    Cloud::new(Setup {
        folder: folder.to_owned(),
        connect: Box::new(move |policy| {
            let read_timeout = Duration::from_secs(5);
            let config = hob_egress::Config { policy, read_timeout, ..hob_egress::Config::default() };
            Egress::new(config, Ledger::at(&ledger, now_ms)).map_err(|error| error.to_string())
        }),
        key: Box::new(|_, _| Err("there is none".into())),
        clock: || Duration::from_secs(5),
        seed: || SEED.fetch_add(1, Ordering::Relaxed),
    })
}

pub fn start() -> Running {
    start_with(config(), Folder::new(&[], None))
}

/// A server with a shelf; its models are those that can be asked for.
pub fn start_shelf(config: Config, shelf: ShelfConfig) -> Running {
    let kept = Kept(shelf.store.clone());
    start_with(Config { shelf: Some(shelf), ..config }, kept)
}

/// The built-in model and those of a store.
struct Kept(Store);

impl Catalogue for Kept {
    fn list(&self) -> Vec<Listed> {
        let models = self.0.list().map(|found| found.models).unwrap_or_default();
        Folder::new(&[], None).list().into_iter().chain(models.into_iter().map(listed)).collect()
    }

    fn find(&self, name: &str) -> Option<Listed> {
        let kept = || self.0.find(name).ok().map(listed);
        Folder::new(&[], None).find(name).or_else(kept)
    }
}

fn listed(model: Model) -> Listed {
    Listed {
        name: model.name.to_string(),
        source: Source::At(model.path),
        bytes: model.bytes,
        modified: model.manifest.added_at.cast_signed(),
        digest: None,
        settings: Arc::new(model.manifest.settings),
    }
}

pub fn start_with(config: Config, catalogue: impl Catalogue + 'static) -> Running {
    let (told, address) = channel();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let done = runtime.block_on(async {
            let server = Server::bind(config, Box::new(catalogue)).await.unwrap();
            told.send(server.address()).unwrap();
            server.run(async { drop(stopped.await) }).await
        });
        runtime.shutdown_timeout(Duration::from_secs(5));
        done
    });
    Running { address: address.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
}

impl Running {
    /// Ends the server; `true` when no answer had to be cut off.
    pub fn end(&mut self) -> bool {
        drop(self.stop.take());
        self.thread.take().is_some_and(|thread| thread.join().unwrap())
    }

    /// Tells the server to end and does not wait.
    pub fn tell_to_end(&mut self) {
        drop(self.stop.take());
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").finish()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.open(path, body).finish()
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[("content-type", "application/json")], &body.to_string()).finish()
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "").finish()
    }

    /// A request whose answer is still to be read.
    pub fn open(&self, path: &str, body: &Value) -> Open {
        self.send("POST", path, &[("content-type", "application/json")], &body.to_string())
    }

    /// A file as the body.
    pub fn send_bytes(&self, method: &str, path: &str, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let (host, length) = (self.address, bytes.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(bytes).unwrap();
        Open::read_head(BufReader::new(stream)).finish()
    }

    /// Any request. `Host` is right unless `headers` say otherwise.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Open {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        Open::read_head(BufReader::new(stream))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// An answer whose head has been read.
pub struct Open {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    is_chunked: bool,
}

/// A whole answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Open {
    fn read_head(mut reader: BufReader<TcpStream>) -> Self {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {line:?}")).parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let is_chunked =
            headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        Self { status, headers, reader, is_chunked }
    }

    /// The next chunk of the body; `None` at its end.
    pub fn chunk(&mut self) -> Option<String> {
        assert!(self.is_chunked);
        let mut size = String::new();
        self.reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut bytes = vec![0; size + 2];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes.truncate(size);
        (size > 0).then(|| String::from_utf8(bytes).unwrap())
    }

    pub fn finish(mut self) -> Answer {
        let mut body = String::new();
        if self.is_chunked {
            while let Some(chunk) = self.chunk() {
                body.push_str(&chunk);
            }
        } else {
            self.reader.read_to_string(&mut body).unwrap();
        }
        Answer { status: self.status, headers: self.headers, body }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The body of a successful answer.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// The message of an answer that refuses.
    #[track_caller]
    pub fn refused(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.json()["error"].clone()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The data of server-sent events, the end mark left out.
    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.header("content-type"), Some("text/event-stream"), "{}", self.body);
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    /// Lines of JSON.
    #[allow(dead_code, reason = "not every interface streams lines")]
    pub fn lines(&self) -> Vec<Value> {
        self.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
