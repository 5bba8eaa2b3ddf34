//! `hob cloud add`.

use super::account;
use crate::{fail, input, keyring, out};
use clap::{Args, ValueEnum};
use hob_cloud::{Cloud, Error, KeyFrom, Mode, Protocol, Target, Zone};
use hob_egress::Address;
use std::net::IpAddr;

const AFTER_HELP: &str = "\
Examples:
  hob cloud add openai https://api.openai.com/v1 --model gpt-5-mini --key env:OPENAI_API_KEY --input-price 0.25 --output-price 2
  hob cloud add claude https://api.anthropic.com --model claude-haiku-4-5 --key keyring --input-price 1 --output-price 5
  hob cloud add team https://models.team.example/v1 --model qwen3-32b --zone organisation
  hob cloud add desk http://127.0.0.1:4242/v1 --model ember --zone organisation

Prices are dollars for a million tokens; without them a target counts as free and budgets of money do not bind it.
--key names where the key is; it is never typed here. `keyring` and `file` ask for it on standard input once:
  hob cloud add claude ... --key keyring < key.txt
Other machines are reached by https alone; what is private is hidden from a target in the cloud, always.";

/// Arguments of `hob cloud add`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct AddArgs {
    /// What you call it: small letters, digits, - and _
    pub name: String,
    /// What its interface is below, such as https://api.example/v1
    pub url: String,
    /// The model, as the interface names it
    #[arg(long)]
    pub model: String,
    /// Its interface [default: anthropic for api.anthropic.com, else openai]
    #[arg(long, value_enum)]
    pub protocol: Option<ProtocolArg>,
    /// How far away it is [default: organisation for addresses of this machine and of private networks, else cloud]
    #[arg(long, value_enum)]
    pub zone: Option<ZoneArg>,
    /// Where its key is: env:NAME, file:PATH, keyring, or file (kept in the data folder for you alone to read)
    #[arg(long, value_name = "WHERE")]
    pub key: Option<String>,
    /// Dollars for a million tokens that it reads
    #[arg(long, value_name = "DOLLARS", default_value_t = 0.0)]
    pub input_price: f64,
    /// Dollars for a million tokens that it writes
    #[arg(long, value_name = "DOLLARS", default_value_t = 0.0)]
    pub output_price: f64,
    /// Tokens that it takes, question and answer together
    #[arg(long, value_name = "N", default_value_t = 32_768)]
    pub context: u64,
    /// Longest answer that is asked for, in tokens
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub answer_tokens: u64,
    /// It calls no tools
    #[arg(long)]
    pub no_tools: bool,
    /// Send what is private as it is; not for the cloud
    #[arg(long)]
    pub no_redact: bool,
    /// Dollars that it may cost in a day
    #[arg(long, value_name = "DOLLARS")]
    pub day: Option<f64>,
    /// Dollars that it may cost in a month
    #[arg(long, value_name = "DOLLARS")]
    pub month: Option<f64>,
    /// Bytes that may be sent to it in a day
    #[arg(long, value_name = "BYTES")]
    pub bytes_day: Option<u64>,
    /// What its owner says of data that it gets, for you to remember
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
}

/// Interfaces.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProtocolArg {
    /// Chat completions: OpenAI, vLLM, SGLang, Ray Serve, llama-server, Ollama, another Hob
    Openai,
    /// Messages: Anthropic
    Anthropic,
}

/// Zones.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ZoneArg {
    /// Your organisation's own machines
    Organisation,
    /// Everybody else's
    Cloud,
}

/// Runs the command.
pub fn run(cloud: &Cloud, args: &AddArgs) -> anyhow::Result<()> {
    let address = Address::parse(&args.url)?;
    let host = address.origin().host();
    let protocol = match args.protocol {
        Some(ProtocolArg::Anthropic) => Protocol::Anthropic,
        None if host == "api.anthropic.com" => Protocol::Anthropic,
        _ => Protocol::OpenAi,
    };
    let zone = match args.zone {
        Some(ZoneArg::Organisation) => Zone::Organisation,
        Some(ZoneArg::Cloud) => Zone::Cloud,
        None if address.origin().is_loopback() || is_private(host) => Zone::Organisation,
        None => Zone::Cloud,
    };
    let mut target = Target {
        input_price: args.input_price,
        output_price: args.output_price,
        context: args.context,
        answer_tokens: args.answer_tokens,
        tools: !args.no_tools,
        redact: !args.no_redact,
        dollars_day: args.day,
        dollars_month: args.month,
        bytes_day: args.bytes_day,
        note: args.note.clone(),
        ..Target::new(args.url.trim_end_matches('/'), protocol, &args.model, zone)
    };
    let kept = match args.key.as_deref() {
        None => None,
        Some("file") => Some(typed()?),
        Some(text) => {
            target.key = Some(text.parse().map_err(|error| fail::usage(format!("--key: {error}")))?);
            None
        }
    };
    // What is wrong with the target is said before anything of it is kept.
    cloud.add(&args.name, &target, kept.as_deref()).map_err(told)?;
    if target.key == Some(KeyFrom::Keyring)
        && let Err(error) = typed().and_then(|key| keyring::store(&account(&args.name), &key))
    {
        cloud.remove(&args.name)?;
        return Err(error);
    }
    let next = match cloud.mode()? {
        Mode::Offline => {
            "nothing is sent to it while the privacy mode is offline (`hob cloud mode ask` changes that)"
        }
        Mode::Ask => "you send to it by its name; the router does not while the privacy mode is ask",
        Mode::Hybrid => "the router may send to it where policy.toml allows its zone",
    };
    out::text(&format!("added {} ({zone}); {next}\n", args.name))
}

/// A key from standard input.
fn typed() -> anyhow::Result<String> {
    let text = input::stdin()?;
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(fail::usage("expected the key on standard input, without spaces, found something else"));
    }
    Ok(text.to_owned())
}

fn is_private(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => false,
    }
}

/// What is wrong with the arguments is a matter of usage.
fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Name { .. } | Error::Field { .. } | Error::Address { .. } | Error::Taken { .. } => {
            fail::usage(error.to_string())
        }
        _ => error.into(),
    }
}
