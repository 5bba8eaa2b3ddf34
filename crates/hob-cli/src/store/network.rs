//! What the environment and the arguments say about reaching hubs.

use crate::{offline, platform};
use anyhow::{Context, anyhow};
use clap::Args;
use hob_egress::{Address, Config, Egress, Ledger, Policy, Proxy, Secret};
use hob_store::{HUGGING_FACE, Hubs, OLLAMA};
use std::path::PathBuf;

/// Longest file with a token or certificates.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// How to reach hubs.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Refuse to use the network: no model can be pulled [also: HOB_OFFLINE=1]
    #[arg(long)]
    pub offline: bool,
    /// Address of Hugging Face or a mirror [also: HF_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Address of Ollama's registry or a mirror
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// A further place that a mirror may redirect to; may be repeated
    #[arg(long, value_name = "URL")]
    pub allow_hub: Vec<String>,
    /// File with an access token for Hugging Face [also: HF_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl NetworkArgs {
    /// The hubs and the gate to them.
    pub fn connect(&self) -> anyhow::Result<(Egress, Hubs)> {
        let address = |given: Option<String>, public: &str, flag: &'static str| -> anyhow::Result<Address> {
            let text = given.unwrap_or_else(|| public.to_owned());
            Address::parse(&text).context(flag)
        };
        let hubs = Hubs {
            hugging_face: address(
                self.endpoint.clone().or_else(|| variable(&["HF_ENDPOINT"])),
                HUGGING_FACE,
                "--endpoint",
            )?,
            ollama: address(self.registry.clone(), OLLAMA, "--registry")?,
        };
        let mut policy = hubs.policy()?;
        for place in &self.allow_hub {
            let place = if place.contains("://") { place.clone() } else { format!("https://{place}") };
            policy.allow_named(Address::parse(&place).context("--allow-hub")?.origin().clone())?;
        }
        let usual = gate(policy)?;
        let config = Config {
            offline: self.offline || usual.offline,
            credential: self.token()?.map(|token| (hubs.hugging_face.origin().clone(), token)),
            ..usual
        };
        Ok((Egress::new(config, ledger())?, hubs))
    }

    fn token(&self) -> anyhow::Result<Option<Secret>> {
        let (text, from) = match &self.token_file {
            Some(path) => {
                (String::from_utf8(read(path.clone(), "--token-file")?).unwrap_or_default(), "--token-file")
            }
            None => match variable(&["HF_TOKEN"]) {
                Some(text) => (text, "HF_TOKEN"),
                None => return Ok(None),
            },
        };
        let token = Secret::new(&text);
        token
            .map(Some)
            .ok_or_else(|| anyhow!("{from}: expected an access token without spaces, found something else"))
    }
}

/// A gate that reaches the places of `policy`, set up as the environment says.
pub fn gate(policy: Policy) -> anyhow::Result<Config> {
    let proxy = variable(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
    let exceptions = variable(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
    Ok(Config {
        offline: is_offline(),
        policy,
        proxy: proxy.map(|proxy| Proxy::new(&proxy, &exceptions)).transpose()?,
        roots: variable(&["SSL_CERT_FILE"])
            .map(|path| read(PathBuf::from(path), "SSL_CERT_FILE"))
            .transpose()?,
        ..Config::default()
    })
}

/// Where what leaves this machine is written down.
pub fn ledger() -> Ledger {
    match platform::data_dir() {
        Some(data) => Ledger::at(data.path.join("ledger"), platform::unix_ms),
        None => Ledger::nowhere("neither HOB_HOME nor the home folder is set"),
    }
}

/// Whether the network is forbidden.
pub fn is_offline() -> bool {
    offline::is_wanted() || variable(&["HOB_OFFLINE"]).is_some_and(|value| value != "0")
}

pub fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn read(path: PathBuf, what: &'static str) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let file =
        std::fs::File::open(&path).with_context(|| format!("{what}: cannot open {}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{what}: cannot read {}", path.display()))?;
    Ok(bytes)
}
