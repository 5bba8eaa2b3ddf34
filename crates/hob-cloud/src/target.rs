//! A target: a bigger model elsewhere, as the user described it.

use crate::Error;
use hob_egress::{Address, Policy};
use hob_router::Zone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Longest name of a target.
const NAME_CHARS_MAX: usize = 40;
/// Tokens of an answer, where the target does not say.
const ANSWER_TOKENS: u64 = 2048;
/// Tokens that a target takes, where it does not say.
const CONTEXT: u64 = 32_768;
/// Dollars for a million tokens, at most: more is a mistake.
const PRICE_MAX: f64 = 1e6;
/// Most tokens that anything takes.
const TOKENS_MAX: u64 = 100_000_000;

/// The interfaces that targets speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `POST /chat/completions` below the address: OpenAI, vLLM, SGLang, Ray Serve, llama-server, Ollama, another Hob.
    OpenAi,
    /// `POST /v1/messages` below the address.
    Anthropic,
}

impl Protocol {
    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// The path below a target's address.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/chat/completions",
            Self::Anthropic => "/v1/messages",
        }
    }
}

/// Where the key of a target is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KeyFrom {
    /// A variable of the environment.
    Variable(String),
    /// A file.
    File(PathBuf),
    /// The system's own store of secrets.
    Keyring,
}

impl FromStr for KeyFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Variable(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            None if text == "keyring" => Ok(Self::Keyring),
            // The text may be the key itself, typed in the wrong place.
            _ => Err("expected env:NAME, file:PATH or keyring, found something else".into()),
        }
    }
}

impl TryFrom<String> for KeyFrom {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<KeyFrom> for String {
    fn from(from: KeyFrom) -> Self {
        from.to_string()
    }
}

impl fmt::Display for KeyFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Keyring => f.write_str("keyring"),
        }
    }
}

/// A bigger model elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What its interface's paths are below: `https://api.example/v1`.
    pub address: String,
    /// The interface.
    pub protocol: Protocol,
    /// The model, as the interface names it.
    pub model: String,
    /// How far from this machine it is.
    pub zone: Zone,
    /// Dollars for a million tokens that it reads.
    #[serde(default)]
    pub input_price: f64,
    /// Dollars for a million tokens that it writes.
    #[serde(default)]
    pub output_price: f64,
    /// Tokens that it takes, prompt and answer together.
    #[serde(default = "context")]
    pub context: u64,
    /// Longest answer that is asked for.
    #[serde(default = "answer_tokens")]
    pub answer_tokens: u64,
    /// Whether it calls tools.
    #[serde(default = "yes")]
    pub tools: bool,
    /// Whether what is private is hidden from it. Only what is not in the cloud may see it.
    #[serde(default = "yes")]
    pub redact: bool,
    /// Where its key is, if it wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyFrom>,
    /// Dollars that it may cost in a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dollars_day: Option<f64>,
    /// Dollars that it may cost in a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dollars_month: Option<f64>,
    /// Bytes that may be sent to it in a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_day: Option<u64>,
    /// What its owner says of data that it gets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

fn context() -> u64 {
    CONTEXT
}

fn answer_tokens() -> u64 {
    ANSWER_TOKENS
}

fn yes() -> bool {
    true
}

impl Target {
    /// One with everything at its default.
    pub fn new(address: &str, protocol: Protocol, model: &str, zone: Zone) -> Self {
        Self {
            address: address.to_owned(),
            protocol,
            model: model.to_owned(),
            zone,
            input_price: 0.0,
            output_price: 0.0,
            context: CONTEXT,
            answer_tokens: ANSWER_TOKENS,
            tools: true,
            redact: true,
            key: None,
            dollars_day: None,
            dollars_month: None,
            bytes_day: None,
            note: String::new(),
        }
    }

    /// Where it is asked.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn endpoint(&self) -> Result<Address, Error> {
        let mut base = self.address.trim_end_matches('/');
        if self.protocol == Protocol::Anthropic {
            // People paste the address with and without the version.
            base = base.strip_suffix("/v1").unwrap_or(base);
        }
        let address = Address::parse(&format!("{base}{}", self.protocol.path()));
        address.map_err(|source| Error::Address { source })
    }

    /// Lets the gate reach it: in the cloud by public addresses only, elsewhere in whatever network the user named.
    ///
    /// # Errors
    /// [`Error::Address`], also for plain HTTP to another machine.
    pub fn allow(&self, policy: &mut Policy) -> Result<(), Error> {
        let origin = self.endpoint()?.origin().clone();
        let is_plain_name = origin.port() == 443 && origin.ip().is_none() && !origin.is_loopback();
        let allowed = if self.zone == Zone::Cloud && is_plain_name {
            policy.allow_public(origin.host())
        } else {
            policy.allow_named(origin)
        };
        allowed.map_err(|source| Error::Address { source })
    }

    /// # Errors
    /// The first field that cannot be.
    pub fn check(&self) -> Result<(), Error> {
        let wrong =
            |field: &'static str, expected: &str| Err(Error::Field { field, expected: expected.to_owned() });
        self.allow(&mut Policy::default())?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._:/@+-".contains(c);
        if self.model.is_empty() || self.model.len() > 200 || !self.model.chars().all(is_name) {
            return wrong("model", "1 to 200 letters, digits and . _ : / @ + -");
        }
        let dollars = [
            ("input_price", Some(self.input_price)),
            ("output_price", Some(self.output_price)),
            ("dollars_day", self.dollars_day),
            ("dollars_month", self.dollars_month),
        ];
        for (field, dollars) in dollars {
            if dollars.is_some_and(|dollars| !(0.0..=PRICE_MAX).contains(&dollars)) {
                return wrong(field, "dollars from 0 to 1,000,000");
            }
        }
        for (field, tokens) in [("context", self.context), ("answer_tokens", self.answer_tokens)] {
            if !(1..=TOKENS_MAX).contains(&tokens) {
                return wrong(field, "a number of tokens from 1 to 100,000,000");
            }
        }
        if self.zone == Zone::Cloud && !self.redact {
            return wrong(
                "redact",
                "true for a target in the cloud; where it is your organisation's, say so as its zone",
            );
        }
        Ok(())
    }

    /// As the router knows it.
    pub(crate) fn routed(&self, name: &str) -> hob_router::Target {
        hob_router::Target {
            name: name.to_owned(),
            zone: self.zone,
            input_price: self.input_price,
            output_price: self.output_price,
            context: self.context,
            tools: self.tools,
            images: false,
        }
    }

    /// What so many tokens cost, in millionths of a dollar, rounded up: prices are for a million tokens.
    pub(crate) fn cost_micro(&self, read: u64, written: u64) -> u64 {
        (read as f64 * self.input_price + written as f64 * self.output_price).ceil() as u64
    }
}

/// # Errors
/// A name that could not be a file's on every system, or a word of the command line's own.
pub fn check_name(name: &str) -> Result<(), Error> {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_fine = name.len() <= NAME_CHARS_MAX
        && name.starts_with(is_letter)
        && name.chars().all(|c| is_letter(c) || c == '-' || c == '_')
        && name != "auto";
    if is_fine { Ok(()) } else { Err(Error::Name { name: name.chars().take(60).collect() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud() -> Target {
        Target::new("https://api.example/v1", Protocol::OpenAi, "big-1", Zone::Cloud)
    }

    #[test]
    fn addresses_lead_to_the_interface() {
        let at = |address: &str, protocol| {
            let target = Target { address: address.into(), protocol, ..cloud() };
            let endpoint = target.endpoint().unwrap();
            format!("{}{}", endpoint.origin(), endpoint.path())
        };
        assert_eq!(
            at("https://api.example/v1/", Protocol::OpenAi),
            "https://api.example/v1/chat/completions"
        );
        for address in ["https://api.example", "https://api.example/v1/"] {
            assert_eq!(at(address, Protocol::Anthropic), "https://api.example/v1/messages");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let error = |change: fn(&mut Target)| {
            let mut target = cloud();
            change(&mut target);
            target.check().unwrap_err().to_string()
        };
        assert!(cloud().check().is_ok());
        assert!(error(|t| t.address = "http://api.example/v1".into()).contains("https"));
        assert!(error(|t| t.address = "api.example".into()).contains("https://"));
        assert!(error(|t| t.model = "two words".into()).starts_with("model: "));
        assert!(error(|t| t.input_price = f64::NAN).starts_with("input_price: "));
        assert!(error(|t| t.dollars_day = Some(-1.0)).starts_with("dollars_day: "));
        assert!(error(|t| t.context = 0).starts_with("context: "));
        assert!(error(|t| t.redact = false).starts_with("redact: "));
        assert!(Target { zone: Zone::Organisation, redact: false, ..cloud() }.check().is_ok());
    }

    #[test]
    fn names_are_names_of_files_everywhere() {
        for name in ["big", "gpt-5", "team_2", "0"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "auto", "Big", "a/b", "..", "a.b", "-a", "ä", &"a".repeat(41)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn places_of_keys_read_back_and_tell_no_key() {
        for text in ["env:OPENAI_API_KEY", "file:/tmp/key", "keyring"] {
            assert_eq!(text.parse::<KeyFrom>().unwrap().to_string(), text);
        }
        assert!(!"sk-planted".parse::<KeyFrom>().unwrap_err().contains("planted"));
    }
}
