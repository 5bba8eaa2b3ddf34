//! What would happen to a question, before anything does.

use crate::book::Written;
use crate::stops::Stops;
use crate::{Asked, Consent, Error, Mode, Question, Repair, Target};
use hob_egress::Cap;
use hob_privacy::{Cleared, Vault};
use hob_router::{Confidence, Decision, Estimate, Label, LocalModel, Route, Zone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who chooses where a question is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The user, by the target's name.
    Named(String),
    /// The router, within the policy.
    Router,
    /// The router, if it were allowed to: what it says is advice, and nothing is sent.
    Advice,
}

/// A question with what has to be known of it.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// The question.
    pub question: &'a Question,
    /// Who chooses.
    pub way: Way,
    /// Whether it must never leave.
    pub is_private: bool,
    /// What the local model can, where that is known.
    pub local: Option<LocalModel>,
    /// When the local model's answers are right, where that was learned.
    pub confidence: Option<Arc<Confidence>>,
    /// What an answer that is being written here is worth.
    pub written: Option<Doubted>,
    /// What kind of task it is, if anybody said so.
    pub task: Option<String>,
    /// Whether another answer is wanted than the one that was given a moment ago.
    pub is_fresh: bool,
    /// What was said about values of kinds for which the policy says `ask`; nobody is asked then. `None`: somebody can be.
    pub consent: Option<&'a Consent>,
    /// Placeholders that the target knows already, of an earlier question of the same conversation.
    pub known: Option<&'a Vault>,
}

impl<'a> Wish<'a> {
    /// A question that the router decides about.
    pub fn new(question: &'a Question, way: Way) -> Self {
        Self {
            question,
            way,
            is_private: false,
            local: None,
            confidence: None,
            written: None,
            task: None,
            is_fresh: false,
            consent: None,
            known: None,
        }
    }
}

/// An answer that is being written here.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubted {
    /// What is known of it.
    pub estimate: Estimate,
    /// Tokens so far.
    pub tokens: u64,
}

/// Where a question is answered and why, for people and programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The target; none when it stays.
    pub target: Option<String>,
    /// How far away that is.
    pub zone: Option<Zone>,
    /// What decided, in a word.
    pub why: String,
    /// The same in a sentence.
    pub reason: String,
    /// What it will cost, about.
    pub dollars: f64,
    /// All that the router says, where it was asked.
    pub signals: Option<Value>,
}

impl Told {
    /// It stays, because nobody asked the router or because it may not leave.
    pub(crate) fn stays(why: &str, reason: impl Into<String>) -> Self {
        let (why, reason) = (why.to_owned(), reason.into());
        Self { target: None, zone: None, why, reason, dollars: 0.0, signals: None }
    }

    pub(crate) fn named(name: &str, target: &Target) -> Self {
        Self {
            target: Some(name.to_owned()),
            zone: Some(target.zone),
            ..Self::stays("named", format!("{name} was asked for by its name"))
        }
    }

    pub(crate) fn routed(decision: &Decision<'_>, label: Label) -> Self {
        let (target, zone, dollars) = match &decision.route {
            Route::Local => (None, None, 0.0),
            Route::Escalate(to) => (Some(to.target().name.clone()), Some(to.target().zone), to.dollars()),
        };
        let word = serde_json::to_value(decision.why).ok();
        Self {
            target,
            zone,
            why: word.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            reason: decision.reason.clone(),
            dollars,
            signals: Some(decision.to_json(label)),
        }
    }

    pub(crate) fn mode(mode: Mode) -> Self {
        Self::stays("mode", format!("the privacy mode is {mode}, so the router sends nothing"))
    }
}

/// What would happen.
pub struct Plan {
    /// Where it is answered, and why.
    pub told: Told,
    pub(crate) outgoing: Option<Outgoing>,
}

/// What is ready to be sent.
pub(crate) struct Outgoing {
    pub name: String,
    pub target: Target,
    pub cleared: Cleared,
    pub vault: Vault,
    pub max_tokens: u64,
    pub cost_max_micro: u64,
    pub caps: Vec<Cap>,
    pub has_schema: bool,
    /// The answer of which places are asked about, with the places as they are marked.
    pub repair: Option<Repair>,
    pub stops: Stops,
    pub is_fresh: bool,
    /// Who chose that it goes.
    pub way: Way,
    /// Values that the user wants to be asked about.
    pub asked: Vec<Asked>,
    /// What the files of the user said when it was planned.
    pub written: Written,
    /// Most that the question may cost, in millionths.
    pub limit_micro: Option<u64>,
}

impl Outgoing {
    /// Whether everything that the user wants to be asked about was answered.
    pub(crate) fn need_answers(&self) -> Result<(), Error> {
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        self.asked
            .iter()
            .filter(|asked| asked.said.is_none())
            .for_each(|asked| *counts.entry(asked.label).or_default() += 1);
        if counts.is_empty() {
            return Ok(());
        }
        let found: Vec<String> =
            counts.iter().map(|(label, count)| format!("{count} of kind {label}")).collect();
        Err(Error::Unanswered { target: self.name.clone(), found: found.join(", ") })
    }
}

impl Plan {
    pub(crate) fn stays(told: Told) -> Self {
        Self { told, outgoing: None }
    }

    /// What is sent, to the byte; nothing when it stays.
    pub fn cleared(&self) -> Option<&Cleared> {
        self.outgoing.as_ref().map(|outgoing| &outgoing.cleared)
    }

    /// Values that the user wants to be asked about, with what was said of them.
    pub fn asked(&self) -> &[Asked] {
        self.outgoing.as_ref().map_or(&[], |outgoing| &outgoing.asked)
    }

    /// Most that it can cost, in dollars.
    pub fn dollars_max(&self) -> f64 {
        self.outgoing.as_ref().map_or(0.0, |outgoing| outgoing.cost_max_micro as f64 / 1e6)
    }

    /// As one JSON document; with `preview`, what is sent beside what it was.
    pub fn to_json(&self, with_preview: bool) -> Value {
        let told = &self.told;
        let mut whole = json!({
            "stays": self.outgoing.is_none(), "target": told.target, "zone": told.zone, "why": told.why,
            "reason": told.reason, "dollars": told.dollars, "dollars_max": self.dollars_max(),
            "router": told.signals,
        });
        if let Some(cleared) = self.cleared() {
            whole["bytes"] = cleared.bytes().len().into();
            whole["hidden"] = json!(cleared.hidden());
            whole["shown"] = json!(cleared.shown());
            if with_preview {
                let lines = cleared.preview();
                whole["preview"] =
                    lines.iter().map(|line| json!({"sent": line.sent, "was": line.was})).collect();
            }
        }
        whole
    }
}
