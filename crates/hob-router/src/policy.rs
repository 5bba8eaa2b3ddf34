//! A user's policy: one readable file that says who may be asked, when, and for how much.

use crate::error::{Error, within};
use crate::request::Request;
use crate::risk::Risk;
use hob_privacy::{Label, Mode, Rules};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How far from this machine something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// This machine.
    Device,
    /// The organisation's own machines.
    Organisation,
    /// Everybody else's.
    Cloud,
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Zone::Device => "device",
            Zone::Organisation => "organisation",
            Zone::Cloud => "cloud",
        })
    }
}

/// A larger model that may be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is called in this file.
    pub name: String,
    /// Where it is.
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
    /// Whether it calls tools.
    #[serde(default)]
    pub tools: bool,
    /// Whether it sees images.
    #[serde(default)]
    pub images: bool,
}

fn context() -> u64 {
    8192
}

/// What the local model can.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalModel {
    /// Tokens that it takes.
    #[serde(default = "context")]
    pub context: u64,
    /// Whether it calls tools.
    #[serde(default = "yes")]
    pub tools: bool,
    /// Whether it sees images.
    #[serde(default)]
    pub images: bool,
}

fn yes() -> bool {
    true
}

impl Default for LocalModel {
    fn default() -> Self {
        Self { context: context(), tools: true, images: false }
    }
}

/// Dollars that may be spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// For one request.
    pub request: Option<f64>,
    /// In a day.
    pub day: Option<f64>,
    /// In a month.
    pub month: Option<f64>,
}

/// When an answer that is written here goes to a larger model. It takes a local model whose answers are known
/// ([`Confidence`](crate::Confidence)).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// As soon as it is right with less than this probability.
    pub below: f64,
    /// Tokens that are written before the reader sees the first, so that a larger model may answer as if nothing had been.
    #[serde(default = "hold")]
    pub hold: u64,
    /// Where an answer that can be changed still (it is read as a whole, or its reader can replace what it has seen) has come to its
    /// end and is right with less than this probability, a larger model is asked about the few places in it that the local model
    /// doubts, and the rest stays as it is. Never, where nothing is said.
    pub repair: Option<f64>,
}

fn hold() -> u64 {
    8
}

/// Most of them: whoever reads waits for them.
const HOLD_MAX: u64 = 256;

/// What happens to what is private in a request that may leave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// Kinds that are not named: `redact`, `allow`, `ask` or `block`.
    #[serde(default)]
    pub otherwise: Mode,
    /// Kinds by name.
    #[serde(default)]
    pub labels: BTreeMap<Label, Mode>,
    /// Words of the user's own that are hidden too.
    #[serde(default)]
    pub words: Vec<String>,
    /// Whether every word that is not common is hidden too.
    #[serde(default)]
    pub all_unknown: bool,
    /// Folders of the file system whose files are never read for a model elsewhere: absolute, or from `~/` on.
    #[serde(default)]
    pub private_folders: Vec<String>,
}

impl Privacy {
    /// The part about kinds.
    pub fn rules(&self) -> Rules {
        Rules { otherwise: self.otherwise, by_label: self.labels.clone() }
    }
}

/// What a rule does with the requests that it knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Then {
    /// They stay on this machine.
    Stay,
    /// They go to the target of this name, if it may be asked.
    Send(String),
}

/// A rule: all that it names has to be true of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called, for the reason of a decision.
    pub name: String,
    /// One of these stands in the prompt, capitals aside.
    #[serde(default)]
    pub contains: Vec<String>,
    /// The prompt has so many words.
    pub words_at_least: Option<u64>,
    /// The request is of this task.
    pub task: Option<String>,
    /// The request offers tools.
    pub tools: Option<bool>,
    /// What happens.
    pub then: Then,
}

impl Rule {
    /// Whether it speaks of `request`.
    pub(crate) fn matches(&self, request: &Request<'_>) -> bool {
        let lower = || request.prompt().to_lowercase();
        let says = |any: &[String]| {
            let text = lower();
            any.iter().any(|word| text.contains(&word.to_lowercase()))
        };
        (self.contains.is_empty() || says(&self.contains))
            && self.words_at_least.is_none_or(|n| request.prompt().split_whitespace().count() as u64 >= n)
            && self.task.as_deref().is_none_or(|task| request.needs.task.as_deref() == Some(task))
            && self.tools.is_none_or(|tools| tools == request.needs.tools)
    }

    fn has_condition(&self) -> bool {
        !self.contains.is_empty()
            || self.words_at_least.is_some()
            || self.task.is_some()
            || self.tools.is_some()
    }
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Places that may be asked at all; none unless they are named.
    #[serde(default)]
    pub allow: Vec<Zone>,
    /// From 0 (spend nothing) to 1 (the best answer): about the share of requests that may go to a larger model.
    #[serde(default = "quality")]
    pub quality: f64,
    /// Tokens that an answer is expected to have, for its price.
    #[serde(default = "answer_tokens")]
    pub answer_tokens: u64,
    /// A share of bad local answers that is not exceeded.
    pub risk: Option<Risk>,
    /// When an answer that is written here goes to a larger model after all; never, where nothing is said.
    pub handover: Option<Handover>,
    /// What may be spent.
    #[serde(default)]
    pub budget: Budget,
    /// What the local model can.
    #[serde(default)]
    pub local: LocalModel,
    /// What happens to what is private in requests that may leave.
    #[serde(default)]
    pub privacy: Privacy,
    /// Rules; the first that speaks of a request decides.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// Models that may be asked.
    #[serde(default, rename = "target")]
    pub targets: Vec<Target>,
}

fn quality() -> f64 {
    0.3
}

fn answer_tokens() -> u64 {
    500
}

impl Default for Policy {
    /// Everything stays.
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            quality: quality(),
            answer_tokens: answer_tokens(),
            risk: None,
            handover: None,
            budget: Budget::default(),
            local: LocalModel::default(),
            privacy: Privacy::default(),
            rules: Vec::new(),
            targets: Vec::new(),
        }
    }
}

impl Policy {
    /// Reads a policy in TOML.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let policy: Self = toml::from_str(text).map_err(|e| Error::Policy(e.to_string()))?;
        policy.check()?;
        Ok(policy)
    }

    /// The same; who may be asked is known from elsewhere, and rules may name those.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn with_targets(text: &str, targets: Vec<Target>) -> Result<Self, Error> {
        let policy: Self = toml::from_str(text).map_err(|e| Error::Policy(e.to_string()))?;
        let policy = Self { targets, ..policy };
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), Error> {
        within("quality", self.quality, 0.0, 1.0)?;
        self.risk.map_or(Ok(()), |risk| risk.check())?;
        if let Some(handover) = &self.handover {
            within("handover.below", handover.below, 0.0, 1.0)?;
            within("handover.hold", handover.hold as f64, 1.0, HOLD_MAX as f64)?;
            // What is worse than an answer that is replaced as a whole is not worth mending.
            handover
                .repair
                .map_or(Ok(()), |repair| within("handover.repair", repair, handover.below, 1.0))?;
        }
        let (dollars, tokens) = (1e9, 1e9);
        let budget = &self.budget;
        let limits =
            [("budget.request", budget.request), ("budget.day", budget.day), ("budget.month", budget.month)];
        for (name, limit) in limits {
            limit.map_or(Ok(()), |limit| within(name, limit, 0.0, dollars))?;
        }
        within("answer_tokens", self.answer_tokens as f64, 1.0, tokens)?;
        within("local.context", self.local.context as f64, 1.0, tokens)?;
        for (i, target) in self.targets.iter().enumerate() {
            within("target.input_price", target.input_price, 0.0, dollars)?;
            within("target.output_price", target.output_price, 0.0, dollars)?;
            within("target.context", target.context as f64, 1.0, tokens)?;
            if self.targets[..i].iter().any(|other| other.name == target.name) {
                return Err(Error::Twice(target.name.clone()));
            }
        }
        for folder in &self.privacy.private_folders {
            // What is meant must not depend on where a command is run.
            if folder != "~" && !folder.starts_with("~/") && !Path::new(folder).is_absolute() {
                return Err(Error::Folder(folder.clone()));
            }
        }
        for rule in &self.rules {
            if !rule.has_condition() {
                return Err(Error::NoCondition(rule.name.clone()));
            }
            if let Then::Send(name) = &rule.then {
                self.target(name).map_err(|_| self.no_target(&format!("rule {:?}", rule.name), name))?;
            }
        }
        Ok(())
    }

    /// The target of this name.
    ///
    /// # Errors
    /// [`Error::NoTarget`] with the names that there are.
    pub fn target(&self, name: &str) -> Result<&Target, Error> {
        self.targets.iter().find(|t| t.name == name).ok_or_else(|| self.no_target("target", name))
    }

    fn no_target(&self, place: &str, found: &str) -> Error {
        let names: Vec<&str> = self.targets.iter().map(|t| t.name.as_str()).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Error::NoTarget { place: place.into(), found: found.into(), known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_a_policy_are_named() {
        let error = |text: &str| Policy::from_toml(text).unwrap_err().to_string();
        for (text, expected) in [
            ("quality = 2.0", "quality: expected a number from 0 to 1, found 2"),
            ("quality = nan", "quality: expected a number from 0 to 1, found NaN"),
            ("[risk]\nepsilon = -0.1", "risk.epsilon: expected"),
            ("[budget]\nday = -1.0", "budget.day: expected"),
            ("[handover]\nbelow = 1.5", "handover.below: expected a number from 0 to 1, found 1.5"),
            ("[handover]\nbelow = 0.5\nhold = 0", "handover.hold: expected a number from 1 to 256, found 0"),
            (
                "[handover]\nbelow = 0.5\nrepair = 0.4",
                "handover.repair: expected a number from 0.5 to 1, found 0.4",
            ),
            ("[handover]\nbelow = 0.5\nrepairs = 0.6", "unknown field `repairs`"),
            (
                "[privacy]\nprivate_folders = [\"medical\"]",
                "private_folders: expected a path from / or ~/ on, found \"medical\"",
            ),
            ("alow = [\"cloud\"]", "unknown field `alow`"),
            ("allow = [\"moon\"]", "unknown variant `moon`"),
            ("[[rule]]\nname = \"all\"\nthen = \"stay\"", "rule \"all\" has no condition"),
            (
                "[[rule]]\nname = \"law\"\ntask = \"law\"\nthen = { send = \"big\" }",
                "rule \"law\": \"big\" is no target of this policy; there are none",
            ),
            (
                "[[target]]\nname = \"a\"\nzone = \"cloud\"\n[[target]]\nname = \"a\"\nzone = \"cloud\"",
                "two targets are called \"a\"",
            ),
            ("[[target]]\nname = \"a\"\nzone = \"cloud\"\ninput_price = inf", "target.input_price"),
        ] {
            let found = error(text);
            assert!(found.contains(expected), "{text}: {found}");
        }
        assert_eq!(Policy::from_toml("").unwrap(), Policy::default());
    }
}
