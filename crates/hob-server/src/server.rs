//! The door: an address that is listened on, connections, and the end.

use crate::chats::{self, ChatsAt, Desk};
use crate::energy::Meter;
use crate::engine::{Catalogue, Manager, ManagerConfig};
use crate::guard::Hosts;
use crate::keys::Keys;
use crate::log::{Level, Log};
use crate::machine::Machine;
use crate::metrics::Metrics;
use crate::pairing::{Door, Pairing};
use crate::requests::Requests;
use crate::shelf::{Shelf, ShelfConfig};
use crate::tls::Tls;
use crate::{App, limits, routes};
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// How often it is written what keys have used.
const SAVE_TIME: Duration = Duration::from_secs(5);

/// How the server is set up.
pub struct Config {
    /// Where it listens.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// A socket that listens already, for a process that cannot make one any more; it goes before `host` and `port`.
    pub listener: Option<std::net::TcpListener>,
    /// Keys that open it.
    pub keys: Keys,
    /// The certificate, where it speaks TLS.
    pub tls: Option<Tls>,
    /// Addresses of this machine, for a server that listens on all of them.
    pub reach: fn() -> Vec<IpAddr>,
    /// Lines for whoever runs it.
    pub log: Log,
    /// Further names and origins.
    pub hosts: Hosts,
    /// What the page tells about the machine.
    pub machine: Machine,
    /// How models are held.
    pub models: ManagerConfig,
    /// The models that are kept here, if there is a place for them.
    pub shelf: Option<ShelfConfig>,
    /// Where conversations are kept.
    pub chats: ChatsAt,
    /// The way to models elsewhere, if there is a place for what the user says of them.
    pub cloud: Option<hob_cloud::Cloud>,
    /// How long running answers may take to come to their end.
    pub drain: Duration,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address can be reached by others and there is no key.
    #[error(
        "{host} can be reached from other machines, and there is no API key: make one with `hob key add NAME`, give one with --api-key, or listen on 127.0.0.1"
    )]
    Open {
        /// The address asked for.
        host: IpAddr,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; is another server running there? --port takes another port"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start the server's threads: {source}")]
    Runtime {
        /// The system's reason.
        source: std::io::Error,
    },
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    app: App,
    drain: Duration,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Bind`].
    pub async fn bind(config: Config, catalogue: Box<dyn Catalogue>) -> Result<Self, Error> {
        let Config {
            host,
            port,
            listener,
            mut keys,
            tls,
            reach,
            log,
            mut hosts,
            machine,
            models,
            shelf,
            chats,
            cloud,
            drain,
        } = config;
        if !host.is_loopback() && keys.is_empty() {
            return Err(Error::Open { host });
        }
        if !host.is_loopback() {
            // A file of keys may become empty; the door stays shut all the same.
            keys = keys.required();
        }
        hosts.is_public = !host.is_loopback();
        let address = SocketAddr::new(host, port);
        let bind = async {
            let listener = match listener {
                Some(listener) => {
                    listener.set_nonblocking(true)?;
                    TcpListener::from_std(listener)?
                }
                None => TcpListener::bind(address).await?,
            };
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) =
            bind.await.map_err(|source: std::io::Error| Error::Bind { address, source })?;
        let threads = match models.options.threads {
            0 => machine.threads,
            count => count,
        };
        let metrics = Arc::new(Metrics::with_meter(Meter::new(machine.energy.clone(), threads)));
        let manager = Manager::new(catalogue, models, Arc::clone(&metrics));
        let shelf = shelf.map(|config| Shelf::new(config, Arc::clone(&manager)));
        let chats = Arc::new(Desk::new(chats, !hosts.is_public || tls.is_some()));
        let (hosts, machine) = (Arc::new(hosts), Arc::new(machine));
        let fingerprint = tls.as_ref().map(|tls| tls.fingerprint().to_owned());
        let (requests, door) = (Arc::new(Requests::new(log)), Arc::new(Door { address, fingerprint, reach }));
        let app = App {
            manager,
            metrics,
            keys,
            visit: Arc::default(),
            requests,
            door,
            hosts,
            machine,
            stored: Arc::default(),
            shelf,
            chats,
            cloud,
            stats: Arc::default(),
            elsewhere: Arc::new(Semaphore::new(limits::ELSEWHERE_MAX)),
        };
        Ok(Self { listener, address, tls, app, drain })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ways for other machines to come in with a key of this text, as addresses with QR codes.
    pub fn pairings(&self, key: &str) -> Vec<Pairing> {
        self.app.door.pairings(key)
    }

    /// Answers until `stop` comes. Then nobody is let in any more, answers that run come to their end, and those that take
    /// too long are cut off. `true`: none had to be.
    pub async fn run(self, stop: impl Future<Output = ()>) -> bool {
        let tidying = tokio::spawn(Arc::clone(&self.app.manager).keep_tidy());
        let (keys, requests) = (self.app.keys.clone(), Arc::clone(&self.app.requests));
        let saving = tokio::spawn(keep_saved(keys.clone()));
        let expiring = tokio::spawn(chats::expire(self.app.clone()));
        let shelf = self.app.shelf.clone();
        let needs_key = keys.is_needed();
        requests.log().line(
            Level::Info,
            "listening",
            || json!({"address": self.address, "needs_key": needs_key}),
        );
        let router = routes::router(self.app);
        let tls = self.tls.map(|tls| TlsAcceptor::from(tls.config));
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
        let mut stop = std::pin::pin!(stop);
        loop {
            let place = tokio::select! {
                () = &mut stop => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let connection = connect(stream, tls.clone(), router.clone(), graceful.watcher());
                        tokio::spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    // Out of file handles, most likely: others have to close first.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
            }
        }
        drop(self.listener);
        // Who listens to the shelf would listen for ever.
        shelf.iter().for_each(Shelf::close);
        let is_done = tokio::time::timeout(self.drain, graceful.shutdown()).await.is_ok();
        tidying.abort();
        saving.abort();
        expiring.abort();
        keys.save();
        requests.log().line(Level::Info, "stopped", || json!({"drained": is_done}));
        is_done
    }
}

/// Writes now and then what keys have used.
async fn keep_saved(keys: Keys) {
    loop {
        tokio::time::sleep(SAVE_TIME).await;
        let keys = keys.clone();
        let _ = tokio::task::spawn_blocking(move || keys.save()).await;
    }
}

/// Answers the requests of one connection, behind TLS where the server speaks that.
async fn connect(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, watcher: Watcher) {
    // Tokens are small packets that nobody wants to wait for.
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(stream, router, watcher).await,
        // Who does not come to the end of greeting is not waited for.
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(limits::HEADER_TIME, tls.accept(stream)).await {
                serve(stream, router, watcher).await;
            }
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    watcher: Watcher,
) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIME)
        .max_buf_size(limits::HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // What goes wrong with a connection is the client's concern; it has gone.
    let _ = watcher.watch(connection).await;
}
