//! The door: an address that is listened on, connections, and the end.

use crate::chats::{ChatsAt, Desk};
use crate::engine::{Catalogue, Manager, ManagerConfig};
use crate::guard::Hosts;
use crate::keys::Keys;
use crate::machine::Machine;
use crate::metrics::Metrics;
use crate::shelf::{Shelf, ShelfConfig};
use crate::{App, limits, routes};
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

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
    /// How long running answers may take to come to their end.
    pub drain: Duration,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address can be reached by others and there is no key.
    #[error(
        "{host} can be reached from other machines, and there is no API key: give one with --api-key, or listen on 127.0.0.1"
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
    app: App,
    drain: Duration,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Bind`].
    pub async fn bind(config: Config, catalogue: Box<dyn Catalogue>) -> Result<Self, Error> {
        let Config { host, port, listener, keys, mut hosts, machine, models, shelf, chats, drain } = config;
        if !host.is_loopback() && keys.is_empty() {
            return Err(Error::Open { host });
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
        let metrics = Arc::<Metrics>::default();
        let manager = Manager::new(catalogue, models, Arc::clone(&metrics));
        let shelf = shelf.map(|config| Shelf::new(config, Arc::clone(&manager)));
        let (hosts, machine, chats) = (Arc::new(hosts), Arc::new(machine), Arc::new(Desk::new(chats)));
        let app = App { manager, metrics, keys, hosts, machine, stored: Arc::default(), shelf, chats };
        Ok(Self { listener, address, app, drain })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` comes. Then nobody is let in any more, answers that run come to their end, and those that take
    /// too long are cut off. `true`: none had to be.
    pub async fn run(self, stop: impl Future<Output = ()>) -> bool {
        let tidying = tokio::spawn(Arc::clone(&self.app.manager).keep_tidy());
        let shelf = self.app.shelf.clone();
        let router = routes::router(self.app);
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
                        let connection = serve(stream, router.clone(), &graceful);
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
        is_done
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, router: Router, graceful: &GracefulShutdown) -> impl Future<Output = ()> + use<> {
    // Tokens are small packets that nobody wants to wait for.
    let _ = stream.set_nodelay(true);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIME)
        .max_buf_size(limits::HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let watched = graceful.watch(connection);
    async move {
        // What goes wrong with a connection is the client's concern; it has gone.
        let _ = watched.await;
    }
}
