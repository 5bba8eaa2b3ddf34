//! `hob` alone and `hob open`: the page in a browser, and a conversation in the terminal where no browser can be opened.

use crate::cli::{Cli, Command};
use crate::serve::{self, ServeArgs};
use crate::{browser, chat, fail, offline, out};
use clap::{Args, Parser};
use std::io::{self, IsTerminal, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The port that is looked at first.
const PORT: u16 = 4242;
/// How long a server that runs already may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How much of its answer is read.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Arguments of `hob open`.
#[derive(Args, Debug)]
#[command(after_help = "\
A server that runs already is used. Where no browser can be opened (no screen, or over SSH), the address is printed, and on
a terminal a conversation starts beside it. Ctrl-C ends a server that this command started.")]
pub struct OpenArgs {
    /// Port of the server
    #[arg(long, value_name = "N", default_value_t = PORT)]
    pub port: u16,
}

/// Runs the command; `started` is when the process started.
pub fn run(args: &OpenArgs, started: Instant) -> anyhow::Result<()> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    // A server that runs already may have been started without it.
    if args.port != 0 && !offline::is_wanted() && is_hob(usual) {
        let url = serve::url(usual);
        if browser::open(&url) {
            return out::text(&format!("opened {url} in your browser\n"));
        }
        out::text(&format!("Hob runs at {url}; no browser can be opened here\n"))?;
        return if is_terminal { talk(started) } else { Ok(()) };
    }
    let serving = serving(args.port)?;
    if browser::is_there() || !is_terminal {
        return serve::run_with(&serving, |url| {
            if !browser::open(url) {
                fail::note(&format!("no browser can be opened here; open {url} in one"));
            }
        });
    }
    let address = serve::beside(&serving)?;
    out::text(&format!(
        "The page is at {} as long as this runs; no browser can be opened here.\n",
        serve::url(address)
    ))?;
    talk(started)
}

/// What `hob` alone does for whoever sits at a terminal: the page if this build has one, else a conversation.
pub fn at_once() -> Option<Command> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let words: &[&str] = if hob_server::has_page() { &["hob", "open"] } else { &["hob", "chat"] };
    is_terminal.then(|| Cli::parse_from(words).command).flatten()
}

fn talk(started: Instant) -> anyhow::Result<()> {
    match Cli::parse_from(["hob", "chat"]).command {
        Some(Command::Chat(args)) => chat::run(*args, started),
        _ => unreachable!("the words name that command"),
    }
}

/// The arguments of `hob serve` on `port`, or on any if another program has it.
fn serving(port: u16) -> anyhow::Result<ServeArgs> {
    let is_free = port == 0 || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    if !is_free {
        fail::note(&format!("another program has port {port}; taking a free one"));
    }
    let port = if is_free { port.to_string() } else { "0".into() };
    match Cli::try_parse_from(["hob", "serve", "--port", &port])?.command {
        Some(Command::Serve(args)) => Ok(args),
        _ => unreachable!("the words name that command"),
    }
}

/// Whether Hob answers at `address`.
fn is_hob(address: SocketAddr) -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        stream.write_all(
            format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.contains("Hob is running"))
}
