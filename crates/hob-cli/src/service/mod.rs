//! `hob service`: the server as a service of this user, kept running by systemd or by macOS' launchd. Where neither runs,
//! the file is written all the same and it is said what to type.

mod form;

use crate::cli::{Cli, Command as Typed};
use crate::{app, fail, out, platform};
use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use form::Service;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const AFTER_HELP: &str = "\
The service runs `hob serve` as you, from when you log in, and starts it anew if it fails. It can read your files and write
Hob's data folder only. Keys are made with `hob key add`: a key on its command line would be there for others to read.";

/// What to do with the service.
#[derive(Debug, Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum What {
    /// Run the server whenever you are logged in
    Install(InstallArgs),
    /// Stop that
    Uninstall(KindArgs),
    /// Say whether it is set up, and whether it answers
    Status(KindArgs),
}

/// Arguments of `hob service install`.
#[derive(Args, Debug)]
pub struct InstallArgs {
    /// Which program keeps services.
    #[command(flatten)]
    pub kind: KindArgs,
    /// Write the file and start nothing
    #[arg(long)]
    pub no_start: bool,
    /// Arguments of `hob serve`, after --
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub serve: Vec<String>,
}

/// Which program keeps services.
#[derive(Args, Debug)]
pub struct KindArgs {
    /// Which program keeps services [default: that of this system]
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
}

/// Programs that keep services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Of Linux
    Systemd,
    /// Of macOS
    Launchd,
}

/// Runs the command.
pub fn run(what: &What) -> anyhow::Result<()> {
    match what {
        What::Install(args) => install(args),
        What::Uninstall(args) => uninstall(&Place::of(args.kind)?),
        What::Status(args) => status(&Place::of(args.kind)?),
    }
}

/// Where the file of a service is, and who reads it.
struct Place {
    kind: Kind,
    file: PathBuf,
}

impl Place {
    fn of(kind: Option<Kind>) -> anyhow::Result<Self> {
        let usual = if cfg!(target_os = "macos") { Kind::Launchd } else { Kind::Systemd };
        if cfg!(windows) && kind.is_none() {
            bail!(
                "this system has neither systemd nor launchd; `hob serve` runs the server as long as you let it"
            );
        }
        let kind = kind.unwrap_or(usual);
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home =
            || folder("HOME").ok_or_else(|| anyhow!("HOME is not set, so there is no place for services"));
        let file = match kind {
            Kind::Systemd => {
                let config =
                    folder("XDG_CONFIG_HOME").map_or_else(|| home().map(|home| home.join(".config")), Ok)?;
                config.join("systemd/user/hob.service")
            }
            Kind::Launchd => home()?.join("Library/LaunchAgents").join(format!("{}.plist", form::LABEL)),
        };
        Ok(Self { kind, file })
    }

    /// The commands that start the service, and those that end it.
    fn commands(&self) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let file = || self.file.display().to_string();
        match self.kind {
            Kind::Systemd => (
                vec![
                    words("systemctl --user daemon-reload"),
                    words("systemctl --user enable --now hob.service"),
                ],
                vec![words("systemctl --user disable --now hob.service")],
            ),
            Kind::Launchd => (
                vec![[words("launchctl load -w"), vec![file()]].concat()],
                vec![[words("launchctl unload -w"), vec![file()]].concat()],
            ),
        }
    }

    /// Whether the program that keeps services runs for this user.
    fn is_kept(&self) -> bool {
        match self.kind {
            Kind::Systemd => std::env::var_os("XDG_RUNTIME_DIR")
                .is_some_and(|runtime| Path::new(&runtime).join("systemd/private").exists()),
            Kind::Launchd => cfg!(target_os = "macos"),
        }
    }
}

fn install(args: &InstallArgs) -> anyhow::Result<()> {
    let place = Place::of(args.kind.kind)?;
    check(&args.serve)?;
    let data = platform::data_dir().ok_or_else(|| anyhow!("there is no place for data: set HOB_HOME"))?;
    let data = std::path::absolute(&data.path).context("where the data is")?;
    // A folder that is not there cannot be opened to the service.
    fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let service = Service {
        program: std::env::current_exe().context("where this program lies")?,
        data,
        serve: args.serve.clone(),
    };
    let text = match place.kind {
        Kind::Systemd => service.unit(),
        Kind::Launchd => service.plist(),
    };
    let text = text.map_err(fail::usage)?;
    let folder = place.file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    out::write_whole(&place.file, text.as_bytes())?;
    out::text(&format!("wrote {}\n", place.file.display()))?;
    let (start, _) = place.commands();
    if place.is_kept() && !args.no_start {
        start.iter().try_for_each(|words| told(words))?;
        return out::text("the service runs, and starts when you log in\n");
    }
    let why =
        if args.no_start { "it is not started yet" } else { "nothing keeps services here at the moment" };
    let lines: String = start.iter().map(|words| format!("  {}\n", words.join(" "))).collect();
    out::text(&format!("{why}; to start it, type:\n{lines}"))
}

/// # Errors
/// They are no arguments of `hob serve`, or ones that do not belong into a file that others may read.
fn check(serve: &[String]) -> anyhow::Result<()> {
    let words = ["hob", "serve"].into_iter().chain(serve.iter().map(String::as_str));
    match Cli::try_parse_from(words) {
        Ok(Cli { command: Some(Typed::Serve(args)), .. }) if args.api_key.is_empty() => Ok(()),
        Ok(_) => Err(fail::usage(
            "a key on the command line of a service could be read by others: make one with `hob key add NAME`",
        )),
        Err(error) => Err(fail::usage(format!("what stands after -- is for `hob serve`: {error}"))),
    }
}

fn told(words: &[String]) -> anyhow::Result<()> {
    let line = words.join(" ");
    let status =
        Command::new(&words[0]).args(&words[1..]).status().with_context(|| format!("cannot run {line}"))?;
    if status.success() { Ok(()) } else { bail!("{line} failed ({status})") }
}

fn uninstall(place: &Place) -> anyhow::Result<()> {
    if !place.file.exists() {
        return out::text("there is no service\n");
    }
    if place.is_kept() {
        let (_, end) = place.commands();
        end.iter().try_for_each(|words| told(words))?;
    }
    match fs::remove_file(&place.file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", place.file.display()))
        }
        _ => out::text(&format!("removed {}\n", place.file.display())),
    }
}

fn status(place: &Place) -> anyhow::Result<()> {
    let text = match fs::read_to_string(&place.file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return out::text("there is no service; `hob service install` sets one up\n");
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", place.file.display())),
    };
    let mut lines = format!("set up in {}\n", place.file.display());
    if let Some(program) = form::program_of(&text).filter(|program| !program.exists()) {
        lines +=
            &format!("but {} is gone; install it again with the program that is there\n", program.display());
    }
    lines += &match (place.kind, place.is_kept()) {
        (Kind::Systemd, true) => format!("systemd says: {}\n", active()),
        (Kind::Launchd, true) => "`launchctl list` says more\n".to_owned(),
        (_, false) => "nothing keeps services here at the moment\n".to_owned(),
    };
    let port = form::port_of(&text);
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let answers = if app::is_hob(address) { "answers" } else { "does not answer" };
    out::text(&format!("{lines}Hob {answers} on port {port}\n"))
}

fn active() -> String {
    let mut command = Command::new("systemctl");
    command.args(["--user", "is-active", "hob.service"]).stderr(Stdio::null());
    let said = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok().filter(|said| !said.is_empty()).unwrap_or_else(|| "nothing".into())
}
