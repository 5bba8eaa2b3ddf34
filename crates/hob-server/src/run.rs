//! The server as a program that runs until it is told to stop.

use crate::{Catalogue, Config, Error, Server};
use std::net::SocketAddr;

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All answers that ran came to their end.
    Drained,
    /// Some were cut off: they took too long, or a second signal came.
    CutOff,
}

/// Serves until Ctrl-C or, on Unix, SIGTERM; a second one cuts running answers off. `ready` is told of the server once it listens.
///
/// # Errors
/// The address cannot be taken, or the system gives no threads.
pub fn serve(
    config: Config,
    catalogue: Box<dyn Catalogue>,
    ready: impl FnOnce(&Server),
    stopping: impl FnOnce(),
) -> Result<Ended, Error> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let server = Server::bind(config, catalogue).await?;
        ready(&server);
        let stop = async {
            signal().await;
            stopping();
        };
        let (stopped, told) = tokio::sync::oneshot::channel();
        let again = async {
            if told.await.is_ok() {
                signal().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let stop = async move {
            stop.await;
            let _ = stopped.send(());
        };
        Ok(tokio::select! {
            is_done = server.run(stop) => if is_done { Ended::Drained } else { Ended::CutOff },
            () = again => Ended::CutOff,
        })
    });
    // Threads of models may be in the middle of a step.
    runtime.shutdown_background();
    ended
}

/// Serves on threads of its own, until the process ends; the address.
///
/// # Errors
/// As [`serve`].
pub fn serve_beside(config: Config, catalogue: Box<dyn Catalogue>) -> Result<SocketAddr, Error> {
    let runtime = runtime()?;
    let server = runtime.block_on(Server::bind(config, catalogue))?;
    let address = server.address();
    let serving = move || {
        runtime.block_on(server.run(std::future::pending()));
    };
    let started = std::thread::Builder::new().name("hob-beside".into()).spawn(serving);
    started.map(|_| address).map_err(|source| Error::Runtime { source })
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("hob-http")
        .enable_all()
        .build()
        .map_err(|source| Error::Runtime { source })
}

/// Waits to be told to stop.
async fn signal() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => tokio::select! {
                () = interrupted => {}
                _ = terminated.recv() => {}
            },
            Err(_) => interrupted.await,
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}
