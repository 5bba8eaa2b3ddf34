//! `hob serve`: the server.

mod door;
mod stored;

use crate::open::RunArgs;
use crate::shrink::Size;
use crate::{chats, cloud, energy, fail, hardware, offline, open, out, platform, store, which};
use anyhow::bail;
use clap::Args;
use hob::Options;
use hob_base::Bytes;
use hob_kernels::Isa;
use hob_server::{
    ChatsAt, Config, Ended, Hosts, KeepAlive, Level, Log, Machine, ManagerConfig, Network, Probe, Server,
    ShelfConfig, parse_keep_alive,
};
use hob_store::{PullOptions, Puller, Store};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stored::Stored;

/// Share of free memory that models may take when nothing is said, in tenths.
const MEMORY_TENTHS: u64 = 8;

/// Memory for models where the system does not tell how much is free.
const MEMORY_UNKNOWN: u64 = 4 << 30;

/// How long answers that run may take to come to their end.
const DRAIN: Duration = Duration::from_secs(30);

const AFTER_HELP: &str = "\
Programs that speak to OpenAI, Anthropic, Ollama or llama-server work with the address printed: as the base URL take
http://127.0.0.1:4242/v1 for OpenAI and http://127.0.0.1:4242 for the others. Models are `ember`, those named here, and
those that `hob list` shows; each is loaded when it is first asked for.

The page and Ollama's clients can pull, copy and remove models; --offline forbids pulling, and has the system refuse the network
to everything that runs in the server (`hob privacy seal` says how).
Only programs of this machine get in. Other addresses than 127.0.0.1 need an API key: `hob key add NAME` makes one that opens
what you say, --api-key and HOB_API_KEY give one that opens everything.
For a phone: `hob serve --host 0.0.0.0 --tls --pair phone`, then point its camera at the terminal. A browser that does not know
the certificate warns; compare the fingerprint it shows with the one printed here.
Ctrl-C lets running answers come to their end; a second one cuts them off.";

/// Arguments of `hob serve`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct ServeArgs {
    /// GGUF files, model directories and names of the store to serve first; the first is what requests without a name mean
    #[arg(value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 4242)]
    pub port: u16,
    /// Key that programs have to send; may be repeated [default: the variable HOB_API_KEY, else none]
    #[arg(long, value_name = "KEY")]
    pub api_key: Vec<String>,
    /// Want a key also from programs of this machine (`hob key add` makes keys)
    #[arg(long)]
    pub require_key: bool,
    /// Speak HTTPS, with a certificate that is made once and kept; its fingerprint is shown
    #[arg(long)]
    pub tls: bool,
    /// Speak HTTPS with this certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Make a key of this name and show its address as a QR code, for a phone
    #[arg(long, value_name = "NAME")]
    pub pair: Option<String>,
    /// What is told of requests on standard error, as lines of JSON: off, error, warn, info or debug; never what was said
    #[arg(long, value_name = "LEVEL", default_value = "off", value_parser = log_level)]
    pub log_level: Level,
    /// Name under which this machine is known to others; may be repeated
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Web page that may ask here, as https://name; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// Context of every answer, in tokens [default: what the model and memory allow, up to 8192]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub ctx: Option<u32>,
    /// Answers of one model that run at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,
    /// How long a model stays in memory when nobody uses it: 90s, 5m, 2h, -1 for always
    #[arg(long, value_name = "TIME", default_value = "5m", allow_hyphen_values = true, value_parser = keep_alive)]
    pub keep_alive: KeepAlive,
    /// Memory that models may take together, such as 6GB [default: eight tenths of what is free]
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    pub max_loaded_memory: Option<u64>,
    /// Where models are pulled from.
    #[command(flatten)]
    pub hubs: store::NetworkArgs,
    /// Keep no conversations: those of the page are gone when it is closed
    #[arg(long)]
    pub no_chats: bool,
    /// Whether the passphrase of encrypted conversations is asked for in the terminal; else the page asks.
    #[arg(skip)]
    pub asks: bool,
    /// How models run.
    #[command(flatten)]
    pub run: RunArgs,
}

fn keep_alive(text: &str) -> Result<KeepAlive, String> {
    parse_keep_alive(text).ok_or_else(|| format!("expected a time such as 90s, 5m or -1, found {text:?}"))
}

fn log_level(text: &str) -> Result<Level, String> {
    let found = Level::ALL.into_iter().find(|level| level.name() == text);
    found.ok_or_else(|| format!("expected off, error, warn, info or debug, found {text:?}"))
}

fn memory_size(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(Size::Bytes(bytes)) if bytes > 0 => Ok(bytes),
        _ => Err(format!("expected a size such as 6GB, found {text:?}")),
    }
}

/// Runs the command.
pub fn run(args: ServeArgs) -> anyhow::Result<()> {
    // Whoever types this command can type a passphrase as well.
    run_with(&ServeArgs { asks: true, ..args }, |_| {})
}

/// The same; `ready` is told the address once there is one.
pub fn run_with(args: &ServeArgs, ready: impl FnOnce(&str)) -> anyhow::Result<()> {
    let mut ready = Some(ready);
    let listener = listen_and_seal(args, |url| {
        // A browser that were started later would be sealed too, and could not come here.
        if let Some(ready) = ready.take() {
            ready(url);
        }
    })?;
    let (config, catalogue) = set_up(args, listener)?;
    let paired = door::pair(args)?;
    let fingerprint = config.tls.as_ref().map(|tls| tls.fingerprint().to_owned());
    let ready = |server: &Server| {
        let url = url_of(server.address(), fingerprint.is_some());
        // Whoever started it waits for this line; that nobody reads it is no reason to stop.
        let _ = out::text(&format!("hob listens on {url}\n"));
        if let Some(fingerprint) = &fingerprint {
            let _ = out::text(&format!("certificate (SHA-256): {fingerprint}\n"));
        }
        if let Some(text) = &paired {
            let _ = door::show(&server.pairings(text));
        }
        if let Some(ready) = ready {
            ready(&url);
        }
    };
    let stopping = || fail::note("stopping; answers that run come to their end (Ctrl-C cuts them off)");
    match hob_server::serve(config, catalogue, ready, stopping) {
        Ok(Ended::Drained) => Ok(()),
        Ok(Ended::CutOff) => bail!("answers that still ran were cut off"),
        Err(error @ hob_server::Error::Open { .. }) => Err(fail::usage(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Serves on threads of its own until the process ends, and gives the address.
pub fn beside(args: &ServeArgs) -> anyhow::Result<SocketAddr> {
    let listener = listen_and_seal(args, |_| {})?;
    let (mut config, catalogue) = set_up(args, listener)?;
    // Somebody is typing in the terminal.
    config.models.notice = |_| {};
    Ok(hob_server::serve_beside(config, catalogue)?)
}

/// Where nothing may leave: takes the address, tells `listening`, and seals the process. What waits at the socket meanwhile is
/// answered once the server runs.
fn listen_and_seal(args: &ServeArgs, listening: impl FnOnce(&str)) -> anyhow::Result<Option<TcpListener>> {
    if !offline::is_wanted() {
        return Ok(None);
    }
    let address = SocketAddr::new(args.host, args.port);
    let bind = || {
        let listener = TcpListener::bind(address)?;
        Ok((url(listener.local_addr()?), listener))
    };
    let (url, listener) = bind().map_err(|source| hob_server::Error::Bind { address, source })?;
    listening(&url);
    offline::seal_if_wanted()?;
    Ok(Some(listener))
}

fn set_up(args: &ServeArgs, listener: Option<TcpListener>) -> anyhow::Result<(Config, Box<Stored>)> {
    args.models.iter().try_for_each(|name| which::exists(name))?;
    open::note_pin();
    // What is wrong with an address or a token is said now, not when somebody wants a model.
    let (egress, _) = args.hubs.connect()?;
    let network = Network { is_offline: egress.is_offline(), places: egress.policy().places() };
    let tls = door::tls(args)?;
    let catalogue = Box::new(Stored::new(&args.models, store::open().ok()));
    Ok((Config { listener, tls, ..config(args, network) }, catalogue))
}

fn config(args: &ServeArgs, network: Network) -> Config {
    let memory_max = args.max_loaded_memory.unwrap_or_else(memory);
    let options = args.run.options();
    let prefix_bytes_max =
        options.prefix_bytes_max.min(usize::try_from(memory_max / 8).unwrap_or(usize::MAX));
    Config {
        host: args.host,
        port: args.port,
        keys: door::keys(args),
        tls: None,
        reach: platform::addresses,
        log: Log { level: args.log_level, write: fail::line },
        hosts: Hosts {
            names: args.allow_host.clone(),
            origins: args.allow_origin.clone(),
            ..Hosts::default()
        },
        machine: machine(network),
        models: ManagerConfig {
            options: Options { prefix_bytes_max, ..options },
            context: args.ctx.map(|positions| positions as usize),
            parallel: usize::from(args.parallel),
            keep_alive: args.keep_alive,
            memory_max,
            notice: fail::note,
        },
        shelf: store::open().ok().map(|store| shelf(store, args.hubs.clone())),
        chats: chats_at(args),
        cloud: cloud::open().ok(),
        listener: None,
        drain: DRAIN,
    }
}

/// Models that are kept, and the ways to more of them.
fn shelf(store: Store, network: store::NetworkArgs) -> ShelfConfig {
    let connect = move || {
        let (egress, hubs) = network.connect().map_err(|error| format!("{error:#}"))?;
        let options = PullOptions { seed: platform::seed_from_clock(), ..PullOptions::default() };
        Ok(Puller::new(egress, hubs, options))
    };
    ShelfConfig {
        store,
        connect: Box::new(connect),
        places: platform::model_places,
        probe: Probe::new(hardware::read_gb_s),
    }
}

/// Where conversations of the page are kept. A file that cannot be read is told now, and again to whoever asks: what else
/// the server does goes on.
fn chats_at(args: &ServeArgs) -> ChatsAt {
    if args.no_chats {
        return ChatsAt::Nowhere("it was started with --no-chats".into());
    }
    match chats::folder() {
        Ok(chats) => {
            chats::secret::unlock_for_server(&chats, args.asks);
            if let Err(error) = chats.list(None, 1)
                && !matches!(error, hob_chats::Error::Locked { .. })
            {
                fail::note(&error.to_string());
            }
            ChatsAt::File(Arc::new(chats))
        }
        Err(error) => ChatsAt::Nowhere(error.to_string()),
    }
}

/// What the page shows before anybody chooses a model.
fn machine(network: Network) -> Machine {
    Machine {
        processor: platform::processor(),
        instructions: Isa::detect().name().to_owned(),
        extensions: hardware::extensions(),
        gpus: hardware::gpus(),
        energy: energy::counter(),
        disk: || hob_store::free_bytes(&platform::data_dir()?.path),
        network,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        memory: || platform::memory().map(|memory| (memory.total, memory.available)),
    }
}

fn memory() -> u64 {
    match platform::memory() {
        Some(memory) => memory.available / 10 * MEMORY_TENTHS,
        None => {
            fail::note(&format!(
                "this system does not tell how much memory is free; models may take {} (--max-loaded-memory)",
                Bytes(MEMORY_UNKNOWN)
            ));
            MEMORY_UNKNOWN
        }
    }
}

/// Where programs of this machine reach it.
pub fn url(address: SocketAddr) -> String {
    url_of(address, false)
}

fn url_of(address: SocketAddr, is_tls: bool) -> String {
    format!("{}://{address}", if is_tls { "https" } else { "http" })
}
